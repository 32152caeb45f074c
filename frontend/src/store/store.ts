// The client store: takes every frame, and lets each part of the page know what concerns it.

import { type Clock, every } from "../clock";
import { Fragments, type FragmentWorld, type Happening } from "./fragments";
import type { Connected, EventFrame, Frame } from "../stream/frames";
import type { Envelope } from "../generated/events";
import { channelsOf, Held, isWithin, purge } from "../model/channels";
import { freshnessOf, showFreshness } from "../ui/indicator";
import { Journal } from "../model/recent_events";
import { everyMidnight, utcDay } from "../ui/midnight";
import type { Page } from "../page";
import { changesOf } from "../model/reducers";
import { Screen } from "../ui/dom";
import type { StreamState } from "../stream/stream";
import type { TabListener } from "../stream/leader";
import { dayOf, freshenTimes } from "../ui/times";
import { Toaster } from "../ui/toaster";
import { placed, toastOf } from "../model/toasts";

const SHOW_AGE = 2_000; // ms between two looks at the indicator
const NIGHTLY = 60_000; // ms; so that not everybody asks for the new day at once
const SHOW_TIMES = 60_000; // ms between two looks at relative times

export interface Outlook {
  fetchFragment: FragmentWorld["fetch"];
  process(element: Element): void; // htmx takes up what was put in
  leave(): void; // to the sign-in page
  isVisible(): boolean;
  log(line: string): void;
  /** Somebody else filed a ticket, or wrote a public reply in it. */
  replied?(ticket: string): void;
}

export class Store implements TabListener {
  readonly toaster: Toaster;
  readonly fragments: Fragments;
  readonly #page: Page;
  readonly #clock: Clock;
  readonly #outlook: Outlook;
  readonly #held: Held;
  readonly #journal = new Journal<Envelope>();
  readonly screen: Screen;
  #state: StreamState = "connecting";
  #isStale = false;
  #isNew = true; // not connected yet since the page came
  #freshAt: number;

  constructor(page: Page, clock: Clock, outlook: Outlook) {
    this.#page = page;
    this.#clock = clock;
    this.#outlook = outlook;
    this.#held = new Held(page.channels);
    this.#freshAt = clock.now();
    this.toaster = new Toaster(clock);
    this.screen = new Screen(clock, (element) => this.fragments.mark(element));
    this.fragments = new Fragments(clock, {
      fetch: outlook.fetchFragment,
      isHidden: () => !outlook.isVisible(),
      settled: (since, changed) => this.settle(since, changed),
      failed: () => this.#setStale(true),
      recovered: () => this.#setStale(false),
      signedOut: () => this.signOut(),
    });
  }

  start(): void {
    this.#freshen();
    this.#showFreshness();
    if (this.#page.stream) every(this.#clock, SHOW_AGE, () => this.#showFreshness());
    every(this.#clock, SHOW_TIMES, () => this.#freshen());
    everyMidnight(this.#clock, (at) => dayOf(new Date(at)), () => this.#freshen());
    everyMidnight(this.#clock, utcDay, () => {
      this.#clock.after(this.#clock.random() * NIGHTLY, () => this.fragments.turn());
    });
  }

  hear(frame: Frame): void {
    this.#freshAt = this.#clock.now();
    switch (frame.name) {
      case "connected":
        this.#outlook.log(greeting(frame.told, this.#isNew));
        this.#isNew = false;
        this.#follow(this.#held.replace(frame.told.channels));
        if (frame.told.verdict === "reset") this.fragments.refresh();
        this.fragments.notice();
        this.fragments.wake();
        break;
      case "granted":
        this.#follow(this.#held.grant(frame.told.channels));
        break;
      case "revoked":
        this.#follow(this.#held.revoke(frame.told.channels));
        break;
      case "reset":
        this.fragments.refresh();
        break;
      case "notice":
        this.fragments.notice(frame.told.about);
        break;
      case "goodbye":
        if (frame.told.reason === "signed-out") this.#outlook.leave();
        break;
      case "event":
        this.#hearEvent(frame.id, frame.told);
        break;
      case "tick":
        break;
      default:
        frame satisfies never;
    }
    this.#showFreshness();
  }

  /** Shows the toast of an event, where one is due. */
  tell({ id, told }: EventFrame): void {
    const toast = toastOf(told.type, told.data, this.#page.actors);
    if (!toast || isLookedAt(told)) return; // not judged by channels: who joins is told before they hold any
    const kind = `${told.type} ${told.data.workspace ?? ""}`;
    const shown = placed(toast, told.data, this.#page.active);
    this.toaster.add(id, kind, channelsOf(told, this.#page.actors), shown);
  }

  /** Whether the reader still holds what shows an event; asked when something was lost. */
  mayTell({ told }: EventFrame): boolean {
    return this.#isHeld(told);
  }

  show(state: StreamState): void {
    if (state === "live" || this.#state === "live") this.#freshAt = this.#clock.now();
    this.#state = state;
    if (state === "signed-out") this.signOut();
    this.#showFreshness();
  }

  /** After an answer asked for at `since` (ms) was put in: mends what it did not know yet. */
  settle(since: number, changed: readonly Element[]): void {
    for (const event of this.#journal.since(since)) this.#apply(event);
    this.#forget();
    changed.forEach((element) => this.#outlook.process(element));
    this.#freshen();
  }

  #freshen(): void {
    freshenTimes(document, this.#clock.now());
    this.screen.tidy();
  }

  /** Takes off the page, and out of memory, what none of the channels held shows. */
  #forget(): void {
    const held = this.#held.channels;
    if (!held) return;
    purge(document, held);
    this.toaster.sweep();
    this.#journal.retain((event) => this.#isHeld(event));
  }

  /** Whether one of the channels held shows `event`. */
  #isHeld(event: Envelope): boolean {
    const held = this.#held.channels;
    const mark = channelsOf(event, this.#page.actors);
    return held === null || mark.length === 0 || mark.some((channel) => held.has(channel));
  }

  /** The session has ended: says so, with a way back in. */
  signOut(): void {
    const banner = document.getElementById("signed-out");
    if (banner) banner.hidden = false;
    this.#state = "signed-out";
    this.#showFreshness();
  }

  #hearEvent(id: string, event: Envelope): void {
    if (this.#page.isDebug) this.#outlook.log(`${event.type} at ${id}`);
    this.#journal.add(event, this.#clock.now());
    this.#apply(event);
    this.fragments.hear(happeningOf(event)); // after it: what was taken away is not asked for
    if (event.type === "organization.deleted") this.#journal.retain((one) => !isWithin(one, event));
    const { data } = event;
    if (!isSpoken(event) || !("ticket" in data) || this.#page.actors.has(data.actor)) return;
    this.#outlook.replied?.(data.ticket);
  }

  #apply(event: Envelope): void {
    try {
      for (const change of changesOf(event.type, event.data)) this.screen.apply(change);
    } catch (error) {
      console.error(`[SSE] ${event.type} could not be applied; the page reloads its parts`, error);
      this.fragments.refresh();
    }
  }

  #follow({ lost, gained }: { lost: string[]; gained: string[] }): void {
    if (lost.length > 0) {
      this.#forget();
      this.screen.tidy();
    }
    if (lost.length + gained.length > 0) {
      this.#outlook.log(`channels: ${lost.length} lost, ${gained.length} gained`);
    }
    if (gained.length > 0) this.fragments.refresh();
    else if (lost.length > 0) this.fragments.refreshRest();
  }

  #setStale(isStale: boolean): void {
    this.#isStale = isStale;
    this.#showFreshness();
  }

  #showFreshness(): void {
    if (!this.#page.stream) return;
    showFreshness(freshnessOf(this.#state, this.#isStale), this.#freshAt, this.#clock.now());
  }
}

/** To go on from where a new page was rendered is no break: `resumed` is for what had one. */
function greeting({ verdict, because, position }: Connected, isNew: boolean): string {
  const how = isNew && verdict === "resumed" && !because ? "live" : verdict;
  return `connected (${how}${because ? ` because ${because}` : ""}) at ${position}`;
}

/** Whether everybody who sees the ticket can read something new in it. */
function isSpoken({ type, data }: Envelope): boolean {
  if (type === "ticket.created") return true; // its description
  return type === "ticket.message_sent" && "line" in data && data.line?.kind === "reply";
}

/** Whether it is a message of the request whose page this is: it stands there already. */
function isLookedAt({ type, data }: Envelope): boolean {
  if (type !== "ticket.message_sent" || !("ticket" in data)) return false;
  const page = `[data-ticket="${CSS.escape(data.ticket)}"][data-read]`;
  return document.querySelector(page) !== null;
}

function happeningOf({ type, data }: Envelope): Happening {
  const ticket = "ticket" in data ? data.ticket : null;
  return { type, workspace: data.workspace ?? null, ticket };
}
