// Reload stale fragments: the elements that only the server can render, batched into one request.

import type { Cancel, Clock } from "../clock";
import { splitWords } from "../model/channels";
import { fullJitter } from "../stream/backoff";
import { morph } from "../ui/morph";
import { EMPTIED } from "../ui/visibility";

const URGENT_DELAY = 20; // ms; notices are coalesced by the server, and few viewers see one ticket
const BATCH_DELAY = 200; // ms; fragments that become stale within it share a request
const JITTER = 300; // ms; spreads the requests of all clients that received the same event
const MAX_ATTEMPTS = 3; // attempts; then wait for the next event, reconnect or focus
const NOT_FOUND = 404; // also a proxy's answer while the server restarts: remove nothing

/** Which events make an element stale, as its attributes state it. */
export interface FragmentSpec {
  id: string;
  patterns: readonly string[]; // `ticket.*`, `team.member_assigned`
  workspace: string | null; // null: any
  ticket: string | null; // the ticket whose page it is on; null: none
  isPrompt: boolean; // reload without delay: slots beside it already show the new state
}

/** The part of an event that decides which elements are stale. */
export interface EventSummary {
  type: string;
  workspace: string | null;
  ticket: string | null;
}

/** The answer to a request for fragments. */
export interface FragmentResponse {
  status: number;
  isRedirected: boolean; // most likely to the sign-in page
  text: string; // HTML
}

/** The browser functions and callbacks that reloading needs. */
export interface FragmentEnvironment {
  fetch(url: string, ids: string): Promise<FragmentResponse>;
  isHidden(): boolean;
  /** Elements were morphed; the request began at `since` (ms since 1970). */
  onMorphed(since: number, changed: HTMLElement[]): void;
  /** All attempts failed; the elements stay stale. */
  onFailed(): void;
  onRecovered(): void;
  onSignedOut(): void;
}

/** Return whether an event type matches `ticket.*`, `ticket.created` or `*`. */
export function matchesPattern(pattern: string, type: string): boolean {
  if (pattern.endsWith(".*")) return type.startsWith(pattern.slice(0, -1));
  return pattern === "*" || pattern === type;
}

/** Return whether an event makes the element with `spec` stale. */
export function isAffected(spec: FragmentSpec, event: EventSummary): boolean {
  if (!spec.patterns.some((pattern) => matchesPattern(pattern, event.type))) return false;
  if (spec.workspace !== null && event.workspace !== null) {
    if (spec.workspace !== event.workspace) return false;
  }
  return spec.ticket === null || event.ticket === null || spec.ticket === event.ticket;
}

/** Build the URL that returns the fragments `ids` of a page. */
export function fragmentUrl(page: string, ids: readonly string[]): string {
  const url = new URL(page);
  url.searchParams.set("fragment", ids.join(","));
  url.hash = "";
  return url.href;
}

/** The stale elements of the page, and the one request in flight for them. */
export class Fragments {
  readonly #clock: Clock;
  readonly #environment: FragmentEnvironment;
  readonly #staleIds = new Set<string>();
  readonly #failedIds = new Set<string>(); // out of attempts; the next request includes them
  #cancel: Cancel | null = null;
  #isFetching = false;
  #isUrgent = false; // a stale element is urgent
  #attempts = 0;

  constructor(clock: Clock, environment: FragmentEnvironment) {
    this.#clock = clock;
    this.#environment = environment;
  }

  /** Mark the elements that an event makes stale. */
  onEvent(event: EventSummary): void {
    for (const element of document.querySelectorAll<HTMLElement>("[data-live][id]")) {
      const spec = readFragmentSpec(element);
      if (!isAffected(spec, event)) continue;
      if (spec.isPrompt) this.#addUrgent(spec.id);
      else this.#addStale(spec.id);
    }
  }

  /** Mark the elements that depend on notices about `about`; without it, on any notice. */
  onNotice(about?: string): void {
    for (const { id, dataset } of document.querySelectorAll<HTMLElement>("[data-noticed][id]")) {
      if (about !== undefined && dataset["noticed"] !== about) continue;
      this.#addUrgent(id);
    }
  }

  /** Mark the fragment that contains `element`. */
  markStale(element: Element): void {
    const fragment = element.closest<HTMLElement>("[data-live][id], [data-refresh][id]");
    if (fragment) this.#addStale(fragment.id);
    else console.warn("[SSE] a list that needs a reload is in no data-live fragment", element);
  }

  /** Mark every `data-refresh` element. */
  markAllStale(): void {
    for (const { id } of document.querySelectorAll("[data-refresh][id]")) this.#addStale(id);
  }

  /** Mark every `data-daily` element: a new day has begun (UTC). */
  markDailyStale(): void {
    for (const { id } of document.querySelectorAll("[data-daily][id]")) this.#addStale(id);
  }

  /** Mark every `data-refresh` element that was not emptied: it has less to show now. */
  markVisibleStale(): void {
    for (const { id } of document.querySelectorAll(`[data-refresh][id]:not(${EMPTIED})`)) {
      this.#addStale(id);
    }
  }

  /** Reload what is stale: the tab is visible again, or the server is back. */
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
      const pageUrl = location.href;
      const response = await this.#environment.fetch(fragmentUrl(pageUrl, ids), ids.join(","));
      if (pageUrl === location.href) this.#onResponse(response, ids, since);
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

/** Keep the ids of elements that exist and are inside no other element of the list. */
function keepOutermost(ids: readonly string[]): string[] {
  const elements = ids.map((id) => document.getElementById(id)).filter((found) => found !== null);
  const isNested = (element: Element): boolean =>
    elements.some((other) => other !== element && other.contains(element));
  return elements.filter((element) => !isNested(element)).map(({ id }) => id);
}

/** Return whether all requested elements are already emptied: a 404 then confirms it. */
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
