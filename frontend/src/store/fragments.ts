// Parts of the page that only the server can render: asked for together, once per burst.

import { fullJitter } from "../stream/backoff";
import type { Cancel, Clock } from "../clock";
import { GONE, words } from "../model/channels";
import { morph } from "../ui/morph";

const SOON = 20; // ms; notices come at a pace already, and few look at one request
const BURST = 200; // ms; what arrives within it is one request
const SPREAD = 300; // ms; so that everyone who heard the same event does not ask at once
const TRIES = 3; // the request and two more
const MISSING = 404; // what a proxy also says of a server that restarts: it takes nothing away

/** What an event must match to make an element stale. */
export interface Spot {
  id: string;
  patterns: readonly string[]; // `ticket.*`, `team.member_assigned`
  workspace: string | null; // null: any
  ticket: string | null; // the ticket whose page it is on; null: none
  isPrompt: boolean; // asked for at once, as what stands beside it is filled at once
}

/** What a spot looks at in an event. */
export interface Happening {
  type: string;
  workspace: string | null;
  ticket: string | null;
}

export interface FragmentAnswer {
  status: number;
  isElsewhere: boolean; // it was redirected: to sign in, most likely
  text: string;
}

export interface FragmentWorld {
  fetch(url: string, ids: string): Promise<FragmentAnswer>;
  isHidden(): boolean;
  /** Called after elements were morphed; `since` is when the request began. */
  settled(since: number, changed: HTMLElement[]): void;
  failed(): void;
  recovered(): void;
  signedOut(): void;
}

export function matches(pattern: string, type: string): boolean {
  if (pattern.endsWith(".*")) return type.startsWith(pattern.slice(0, -1));
  return pattern === "*" || pattern === type;
}

/** Whether `spot` shows something that `happening` changed. */
export function isTouched(spot: Spot, happening: Happening): boolean {
  if (!spot.patterns.some((pattern) => matches(pattern, happening.type))) return false;
  if (spot.workspace !== null && happening.workspace !== null) {
    if (spot.workspace !== happening.workspace) return false;
  }
  return spot.ticket === null || happening.ticket === null || spot.ticket === happening.ticket;
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
  readonly #world: FragmentWorld;
  readonly #stale = new Set<string>();
  readonly #failed = new Set<string>(); // given up for now; the next occasion takes them along
  #cancel: Cancel | null = null;
  #isFetching = false;
  #isUrgent = false; // something of it is to be asked for at once
  #tries = 0;

  constructor(clock: Clock, world: FragmentWorld) {
    this.#clock = clock;
    this.#world = world;
  }

  /** An event arrived: what shows something of it is stale. */
  hear(happening: Happening): void {
    for (const element of document.querySelectorAll<HTMLElement>("[data-live][id]")) {
      const spot = spotOf(element);
      if (!isTouched(spot, happening)) continue;
      if (spot.isPrompt) this.#hurry(spot.id);
      else this.#mark(spot.id);
    }
  }

  /** What shows something of `about` is stale; nothing named: what any notice is about. */
  notice(about?: string): void {
    for (const { id, dataset } of document.querySelectorAll<HTMLElement>("[data-noticed][id]")) {
      if (about !== undefined && dataset["noticed"] !== about) continue;
      this.#hurry(id);
    }
  }

  /** The fragment `element` is in is stale. */
  mark(element: Element): void {
    const fragment = element.closest<HTMLElement>("[data-live][id], [data-refresh][id]");
    if (fragment) this.#mark(fragment.id);
    else console.warn("[SSE] a list that needs a reload is in no data-live fragment", element);
  }

  /** Everything the page marks `data-refresh` is stale. */
  refresh(): void {
    for (const { id } of document.querySelectorAll("[data-refresh][id]")) this.#mark(id);
  }

  /** The day of the desk has turned: what is told by days lacks one. */
  turn(): void {
    for (const { id } of document.querySelectorAll("[data-daily][id]")) this.#mark(id);
  }

  /** So is what was not taken away: it tells of less now. The rest waits for access. */
  refreshRest(): void {
    for (const { id } of document.querySelectorAll(`[data-refresh][id]:not(${GONE})`)) {
      this.#mark(id);
    }
  }

  /** The tab can be seen again, or the server is back: what waited for that is asked for now. */
  wake(): void {
    if (this.#stale.size + this.#failed.size > 0) this.#schedule(BURST);
  }

  #mark(id: string): void {
    this.#stale.add(id);
    if (this.#cancel === null) this.#schedule(BURST + this.#clock.random() * SPREAD);
  }

  #hurry(id: string): void {
    this.#stale.add(id);
    if (this.#isUrgent) return;
    this.#isUrgent = true;
    this.#schedule(SOON);
  }

  #schedule(ms: number): void {
    this.#cancel?.();
    this.#cancel = this.#clock.after(ms, () => {
      this.#cancel = null;
      if (!this.#isFetching && !this.#world.isHidden()) void this.#fetch();
    });
  }

  async #fetch(): Promise<void> {
    const ids = outermost([...this.#stale, ...this.#failed]);
    this.#stale.clear();
    this.#failed.clear();
    this.#isUrgent = false;
    if (ids.length === 0) return;
    const since = this.#clock.now();
    this.#isFetching = true;
    try {
      const page = location.href;
      const answer = await this.#world.fetch(fragmentUrl(page, ids), ids.join(","));
      if (page === location.href) this.#take(answer, ids, since);
      else ids.forEach((id) => this.#stale.add(id));
    } catch {
      this.#fail(ids);
    }
    this.#isFetching = false;
    if (this.#stale.size > 0 && this.#cancel === null) {
      this.#schedule(this.#isUrgent ? SOON : BURST);
    }
  }

  #take(answer: FragmentAnswer, ids: readonly string[], since: number): void {
    if (answer.status === 401 || answer.isElsewhere) {
      this.#world.signedOut();
    } else if (answer.status === MISSING && areGone(ids)) {
      this.#succeed(since, []);
    } else if (answer.status !== 200) {
      this.#fail(ids);
    } else {
      this.#succeed(since, show(answer.text, ids));
    }
  }

  #succeed(since: number, changed: HTMLElement[]): void {
    this.#tries = 0;
    this.#world.settled(since, changed);
    this.#world.recovered();
  }

  #fail(ids: readonly string[]): void {
    this.#tries += 1;
    if (this.#tries >= TRIES) {
      this.#tries = 0;
      ids.forEach((id) => this.#failed.add(id));
      this.#world.failed();
      return;
    }
    ids.forEach((id) => this.#stale.add(id));
    this.#schedule(1000 + fullJitter(this.#tries + 1, this.#clock.random()));
  }
}

function spotOf(element: HTMLElement): Spot {
  return {
    id: element.id,
    patterns: words(element.dataset["live"]),
    workspace: element.dataset["workspace"] ?? null,
    ticket: element.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"] ?? null,
    isPrompt: "prompt" in element.dataset,
  };
}

/** Those of `ids` that are on the page and in no other of them. */
function outermost(ids: readonly string[]): string[] {
  const elements = ids.map((id) => document.getElementById(id)).filter((one) => one !== null);
  const isInner = (one: Element): boolean =>
    elements.some((other) => other !== one && other.contains(one));
  return elements.filter((one) => !isInner(one)).map((one) => one.id);
}

/** Whether only what was taken away already was asked for: it simply stays so. */
function areGone(ids: readonly string[]): boolean {
  return ids.every((id) => document.getElementById(id)?.matches(GONE) ?? true);
}

function show(text: string, ids: readonly string[]): HTMLElement[] {
  const template = document.createElement("template");
  template.innerHTML = text;
  const changed: HTMLElement[] = [];
  for (const to of template.content.children) {
    const from = ids.includes(to.id) ? document.getElementById(to.id) : null;
    if (!from) continue;
    morph(from, document.importNode(to, true) as HTMLElement);
    changed.push(from);
  }
  return changed;
}
