// Parts of the page that only the server can render: asked for together, once per burst.

import { fullJitter } from "../stream/backoff";
import type { Cancel, Clock } from "../clock";
import { splitWords } from "../model/channels";
import { morph } from "../ui/morph";
import { EMPTIED } from "../ui/visibility";

const URGENT_DELAY = 20; // ms; notices come at a pace already, and few look at one request
const BATCH_DELAY = 200; // ms; what arrives within it is one request
const JITTER = 300; // ms; so that everyone who heard the same event does not ask at once
const MAX_ATTEMPTS = 3; // the request and two more
const NOT_FOUND = 404; // what a proxy also says of a server that restarts: it takes nothing away

/** What an event must match to make an element stale. */
export interface FragmentSpec {
  id: string;
  patterns: readonly string[]; // `ticket.*`, `team.member_assigned`
  workspace: string | null; // null: any
  ticket: string | null; // the ticket whose page it is on; null: none
  isPrompt: boolean; // asked for at once, as what stands beside it is filled at once
}

/** What a spot looks at in an event. */
export interface EventSummary {
  type: string;
  workspace: string | null;
  ticket: string | null;
}

export interface FragmentResponse {
  status: number;
  isRedirected: boolean; // it was redirected: to sign in, most likely
  text: string;
}

export interface FragmentEnvironment {
  fetch(url: string, ids: string): Promise<FragmentResponse>;
  isHidden(): boolean;
  /** Called after elements were morphed; `since` is when the request began. */
  onMorphed(since: number, changed: HTMLElement[]): void;
  onFailed(): void;
  onRecovered(): void;
  onSignedOut(): void;
}

export function matchesPattern(pattern: string, type: string): boolean {
  if (pattern.endsWith(".*")) return type.startsWith(pattern.slice(0, -1));
  return pattern === "*" || pattern === type;
}

/** Whether `spot` shows something that `happening` changed. */
export function isAffected(spec: FragmentSpec, event: EventSummary): boolean {
  if (!spec.patterns.some((pattern) => matchesPattern(pattern, event.type))) return false;
  if (spec.workspace !== null && event.workspace !== null) {
    if (spec.workspace !== event.workspace) return false;
  }
  return spec.ticket === null || event.ticket === null || spec.ticket === event.ticket;
}

/** The page's own address, asking for some of its elements. */
export function fragmentUrl(page: string, ids: readonly string[]): string {
  const url = new URL(page);
  url.searchParams.set("fragment", ids.join(","));
  url.hash = "";
  return url.href;
}

export class Fragments {
  readonly #clock: Clock;
  readonly #environment: FragmentEnvironment;
  readonly #staleIds = new Set<string>();
  readonly #failedIds = new Set<string>(); // given up for now; the next occasion takes them along
  #cancel: Cancel | null = null;
  #isFetching = false;
  #isUrgent = false; // something of it is to be asked for at once
  #attempts = 0;

  constructor(clock: Clock, world: FragmentEnvironment) {
    this.#clock = clock;
    this.#environment = world;
  }

  /** An event arrived: what shows something of it is stale. */
  onEvent(event: EventSummary): void {
    for (const element of document.querySelectorAll<HTMLElement>("[data-live][id]")) {
      const spot = readFragmentSpec(element);
      if (!isAffected(spot, event)) continue;
      if (spot.isPrompt) this.#addUrgent(spot.id);
      else this.#addStale(spot.id);
    }
  }

  /** What shows something of `about` is stale; nothing named: what any notice is about. */
  onNotice(about?: string): void {
    for (const { id, dataset } of document.querySelectorAll<HTMLElement>("[data-noticed][id]")) {
      if (about !== undefined && dataset["noticed"] !== about) continue;
      this.#addUrgent(id);
    }
  }

  /** The fragment `element` is in is stale. */
  markStale(element: Element): void {
    const fragment = element.closest<HTMLElement>("[data-live][id], [data-refresh][id]");
    if (fragment) this.#addStale(fragment.id);
    else console.warn("[SSE] a list that needs a reload is in no data-live fragment", element);
  }

  /** Everything the page marks `data-refresh` is stale. */
  markAllStale(): void {
    for (const { id } of document.querySelectorAll("[data-refresh][id]")) this.#addStale(id);
  }

  /** The day of the desk has turned: what is told by days lacks one. */
  markDailyStale(): void {
    for (const { id } of document.querySelectorAll("[data-daily][id]")) this.#addStale(id);
  }

  /** So is what was not taken away: it tells of less now. The rest waits for access. */
  markVisibleStale(): void {
    for (const { id } of document.querySelectorAll(`[data-refresh][id]:not(${EMPTIED})`)) {
      this.#addStale(id);
    }
  }

  /** The tab can be seen again, or the server is back: what waited for that is asked for now. */
  wake(): void {
    if (this.#staleIds.size + this.#failedIds.size > 0) this.#schedule(BATCH_DELAY);
  }

  #addStale(id: string): void {
    this.#staleIds.add(id);
    if (this.#cancel === null) this.#schedule(BATCH_DELAY + this.#clock.random() * JITTER);
  }

  #addUrgent(id: string): void {
    this.#staleIds.add(id);
    if (this.#isUrgent) return;
    this.#isUrgent = true;
    this.#schedule(URGENT_DELAY);
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = null;
      if (!this.#isFetching && !this.#environment.isHidden()) void this.#fetch();
    });
  }

  async #fetch(): Promise<void> {
    const ids = keepOutermost([...this.#staleIds, ...this.#failedIds]);
    this.#staleIds.clear();
    this.#failedIds.clear();
    this.#isUrgent = false;
    if (ids.length === 0) return;
    const since = this.#clock.now();
    this.#isFetching = true;
    try {
      const page = location.href;
      const answer = await this.#environment.fetch(fragmentUrl(page, ids), ids.join(","));
      if (page === location.href) this.#onResponse(answer, ids, since);
      else ids.forEach((id) => this.#staleIds.add(id));
    } catch {
      this.#onFailure(ids);
    }
    this.#isFetching = false;
    if (this.#staleIds.size > 0 && this.#cancel === null) {
      this.#schedule(this.#isUrgent ? URGENT_DELAY : BATCH_DELAY);
    }
  }

  #onResponse(response: FragmentResponse, ids: readonly string[], since: number): void {
    if (response.status === 401 || response.isRedirected) {
      this.#environment.onSignedOut();
    } else if (response.status === NOT_FOUND && areAllEmptied(ids)) {
      this.#onSuccess(since, []);
    } else if (response.status !== 200) {
      this.#onFailure(ids);
    } else {
      this.#onSuccess(since, morphFragments(response.text, ids));
    }
  }

  #onSuccess(since: number, changed: HTMLElement[]): void {
    this.#attempts = 0;
    this.#environment.onMorphed(since, changed);
    this.#environment.onRecovered();
  }

  #onFailure(ids: readonly string[]): void {
    this.#attempts += 1;
    if (this.#attempts >= MAX_ATTEMPTS) {
      this.#attempts = 0;
      ids.forEach((id) => this.#failedIds.add(id));
      this.#environment.onFailed();
      return;
    }
    ids.forEach((id) => this.#staleIds.add(id));
    this.#schedule(1000 + fullJitter(this.#attempts + 1, this.#clock.random()));
  }
}

function readFragmentSpec(element: HTMLElement): FragmentSpec {
  return {
    id: element.id,
    patterns: splitWords(element.dataset["live"]),
    workspace: element.dataset["workspace"] ?? null,
    ticket: element.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"] ?? null,
    isPrompt: "prompt" in element.dataset,
  };
}

/** Those of `ids` that are on the page and in no other of them. */
function keepOutermost(ids: readonly string[]): string[] {
  const elements = ids.map((id) => document.getElementById(id)).filter((one) => one !== null);
  const isInner = (one: Element): boolean =>
    elements.some((other) => other !== one && other.contains(one));
  return elements.filter((one) => !isInner(one)).map((one) => one.id);
}

/** Whether only what was taken away already was asked for: it simply stays so. */
function areAllEmptied(ids: readonly string[]): boolean {
  return ids.every((id) => document.getElementById(id)?.matches(EMPTIED) ?? true);
}

function morphFragments(html: string, ids: readonly string[]): HTMLElement[] {
  const template = document.createElement("template");
  template.innerHTML = html;
  const changed: HTMLElement[] = [];
  for (const to of template.content.children) {
    const from = ids.includes(to.id) ? document.getElementById(to.id) : null;
    if (!from) continue;
    morph(from, document.importNode(to, true) as HTMLElement);
    changed.push(from);
  }
  return changed;
}
