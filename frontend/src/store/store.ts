// The client store: takes every frame, and lets each part of the page know what concerns it.

import { type Clock, every } from "../clock";
import { Fragments, type FragmentEnvironment, type EventSummary } from "./fragments";
import type { Connected, EventFrame, Frame } from "../stream/frames";
import type { Envelope } from "../generated/events";
import { channelsOfEvent, ChannelSet, isTicketOfDeleted } from "../model/channels";
import { freshnessOf, showIndicator } from "../ui/indicator";
import { RecentEvents } from "../model/recent_events";
import { everyMidnight, utcDay } from "../ui/midnight";
import type { Page } from "../page";
import { reduceEvent } from "../model/reducers";
import { DomRenderer } from "../ui/dom";
import type { StreamState } from "../stream/stream";
import type { TabListener } from "../stream/leader";
import { localDay, updateTimes } from "../ui/times";
import { Toaster } from "../ui/toaster";
import { removeInvisible } from "../ui/visibility";
import { withOrganization, createToast } from "../model/toasts";

const INDICATOR_INTERVAL = 2_000; // ms between two looks at the indicator
const MIDNIGHT_JITTER = 60_000; // ms; so that not everybody asks for the new day at once
const TIMES_INTERVAL = 60_000; // ms between two looks at relative times

export interface StoreEnvironment {
  fetchFragment: FragmentEnvironment["fetch"];
  processHtmx(element: Element): void; // htmx takes up what was put in
  goToSignIn(): void; // to the sign-in page
  isVisible(): boolean;
  log(line: string): void;
  /** Somebody else filed a ticket, or wrote a public reply in it. */
  onReply?(ticket: string): void;
}

export class Store implements TabListener {
  readonly toaster: Toaster;
  readonly fragments: Fragments;
  readonly #page: Page;
  readonly #clock: Clock;
  readonly #environment: StoreEnvironment;
  readonly #channels: ChannelSet;
  readonly #recentEvents = new RecentEvents<Envelope>();
  readonly renderer: DomRenderer;
  #state: StreamState = "connecting";
  #isStale = false;
  #isFirstConnect = true; // not connected yet since the page came
  #freshAt: number;

  constructor(page: Page, clock: Clock, outlook: StoreEnvironment) {
    this.#page = page;
    this.#clock = clock;
    this.#environment = outlook;
    this.#channels = new ChannelSet(page.channels);
    this.#freshAt = clock.now();
    this.toaster = new Toaster(clock);
    this.renderer = new DomRenderer(clock, (element) => this.fragments.markStale(element));
    this.fragments = new Fragments(clock, {
      fetch: outlook.fetchFragment,
      isHidden: () => !outlook.isVisible(),
      onMorphed: (since, changed) => this.reapplySince(since, changed),
      onFailed: () => this.#setStale(true),
      onRecovered: () => this.#setStale(false),
      onSignedOut: () => this.showSignedOut(),
    });
  }

  start(): void {
    this.#updateTimes();
    this.#showFreshness();
    if (this.#page.streamUrl) every(this.#clock, INDICATOR_INTERVAL, () => this.#showFreshness());
    every(this.#clock, TIMES_INTERVAL, () => this.#updateTimes());
    everyMidnight(
      this.#clock,
      (at) => localDay(new Date(at)),
      () => this.#updateTimes(),
    );
    everyMidnight(this.#clock, utcDay, () => {
      this.#clock.after(this.#clock.random() * MIDNIGHT_JITTER, () =>
        this.fragments.markDailyStale(),
      );
    });
  }

  onFrame(frame: Frame): void {
    this.#freshAt = this.#clock.now();
    switch (frame.name) {
      case "connected":
        this.#environment.log(describeConnect(frame.told, this.#isFirstConnect));
        this.#isFirstConnect = false;
        this.#onChannelDiff(this.#channels.replace(frame.told.channels));
        if (frame.told.verdict === "reset") this.fragments.markAllStale();
        this.fragments.onNotice();
        this.fragments.wake();
        break;
      case "granted":
        this.#onChannelDiff(this.#channels.grant(frame.told.channels));
        break;
      case "revoked":
        this.#onChannelDiff(this.#channels.revoke(frame.told.channels));
        break;
      case "reset":
        this.fragments.markAllStale();
        break;
      case "notice":
        this.fragments.onNotice(frame.told.about);
        break;
      case "goodbye":
        if (frame.told.reason === "signed-out") this.#environment.goToSignIn();
        break;
      case "event":
        this.#onEvent(frame.id, frame.told);
        break;
      case "tick":
        break;
      default:
        frame satisfies never;
    }
    this.#showFreshness();
  }

  /** Shows the toast of an event, where one is due. */
  showToast({ id, told }: EventFrame): void {
    const toast = createToast(told.type, told.data, this.#page.readerIds);
    if (!toast || isShownOnPage(told)) return; // not judged by channels: who joins is told before they hold any
    const kind = `${told.type} ${told.data.workspace ?? ""}`;
    const shown = withOrganization(toast, told.data, this.#page.activeWorkspace);
    this.toaster.add(id, kind, channelsOfEvent(told, this.#page.readerIds), shown);
  }

  /** Whether the reader still holds what shows an event; asked when something was lost. */
  canSee({ told }: EventFrame): boolean {
    return this.#isEventVisible(told);
  }

  onStateChange(state: StreamState): void {
    if (state === "live" || this.#state === "live") this.#freshAt = this.#clock.now();
    this.#state = state;
    if (state === "signed-out") this.showSignedOut();
    this.#showFreshness();
  }

  /** After an answer asked for at `since` (ms) was put in: mends what it did not know yet. */
  reapplySince(since: number, changed: readonly Element[]): void {
    for (const event of this.#recentEvents.since(since)) this.#applyEvent(event);
    this.#removeInvisible();
    changed.forEach((element) => this.#environment.processHtmx(element));
    this.#updateTimes();
  }

  #updateTimes(): void {
    updateTimes(document, this.#clock.now());
    this.renderer.updateLists();
  }

  /** Takes off the page, and out of memory, what none of the channels held shows. */
  #removeInvisible(): void {
    const held = this.#channels.channels;
    if (!held) return;
    removeInvisible(document, held);
    this.toaster.forgetDetached();
    this.#recentEvents.retain((event) => this.#isEventVisible(event));
  }

  /** Whether one of the channels held shows `event`. */
  #isEventVisible(event: Envelope): boolean {
    const held = this.#channels.channels;
    const mark = channelsOfEvent(event, this.#page.readerIds);
    return held === null || mark.length === 0 || mark.some((channel) => held.has(channel));
  }

  /** The session has ended: says so, with a way back in. */
  showSignedOut(): void {
    const banner = document.getElementById("signed-out");
    if (banner) banner.hidden = false;
    this.#state = "signed-out";
    this.#showFreshness();
  }

  #onEvent(id: string, event: Envelope): void {
    if (this.#page.isDebug) this.#environment.log(`${event.type} at ${id}`);
    this.#recentEvents.add(event, this.#clock.now());
    this.#applyEvent(event);
    this.fragments.onEvent(summarizeEvent(event)); // after it: what was taken away is not asked for
    if (event.type === "organization.deleted")
      this.#recentEvents.retain((one) => !isTicketOfDeleted(one, event));
    const { data } = event;
    if (!isPublicMessage(event) || !("ticket" in data) || this.#page.readerIds.has(data.actor))
      return;
    this.#environment.onReply?.(data.ticket);
  }

  #applyEvent(event: Envelope): void {
    try {
      for (const change of reduceEvent(event.type, event.data)) this.renderer.apply(change);
    } catch (error) {
      console.error(`[SSE] ${event.type} could not be applied; the page reloads its parts`, error);
      this.fragments.markAllStale();
    }
  }

  #onChannelDiff({ lost, gained }: { lost: string[]; gained: string[] }): void {
    if (lost.length > 0) {
      this.#removeInvisible();
      this.renderer.updateLists();
    }
    if (lost.length + gained.length > 0) {
      this.#environment.log(`channels: ${lost.length} lost, ${gained.length} gained`);
    }
    if (gained.length > 0) this.fragments.markAllStale();
    else if (lost.length > 0) this.fragments.markVisibleStale();
  }

  #setStale(isStale: boolean): void {
    this.#isStale = isStale;
    this.#showFreshness();
  }

  #showFreshness(): void {
    if (!this.#page.streamUrl) return;
    showIndicator(freshnessOf(this.#state, this.#isStale), this.#freshAt, this.#clock.now());
  }
}

/** To go on from where a new page was rendered is no break: `resumed` is for what had one. */
function describeConnect({ verdict, because, position }: Connected, isNew: boolean): string {
  const how = isNew && verdict === "resumed" && !because ? "live" : verdict;
  return `connected (${how}${because ? ` because ${because}` : ""}) at ${position}`;
}

/** Whether everybody who sees the ticket can read something new in it. */
function isPublicMessage({ type, data }: Envelope): boolean {
  if (type === "ticket.created") return true; // its description
  return type === "ticket.message_sent" && "line" in data && data.line?.kind === "reply";
}

/** Whether it is a message of the request whose page this is: it stands there already. */
function isShownOnPage({ type, data }: Envelope): boolean {
  if (type !== "ticket.message_sent" || !("ticket" in data)) return false;
  const page = `[data-ticket="${CSS.escape(data.ticket)}"][data-read]`;
  return document.querySelector(page) !== null;
}

function summarizeEvent({ type, data }: Envelope): EventSummary {
  const ticket = "ticket" in data ? data.ticket : null;
  return { type, workspace: data.workspace ?? null, ticket };
}
