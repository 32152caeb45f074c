// Receive every frame of the stream and update each part of the page that it concerns.

import { type Clock, every } from "../clock";
import type { Envelope } from "../generated/events";
import { type ChannelDiff, ChannelSet, channelsOfEvent, isTicketOfDeleted } from "../model/channels";
import { RecentEvents } from "../model/recent_events";
import { reduceEvent } from "../model/reducers";
import { createToast, withOrganization } from "../model/toasts";
import type { Page } from "../page";
import type { Connected, EventFrame, Frame } from "../stream/frames";
import type { TabListener } from "../stream/leader";
import type { StreamState } from "../stream/stream";
import { DomRenderer } from "../ui/dom";
import { freshnessOf, showIndicator } from "../ui/indicator";
import { everyMidnight, utcDay } from "../ui/midnight";
import { localDay, updateTimes } from "../ui/times";
import { Toaster } from "../ui/toaster";
import { removeInvisible } from "../ui/visibility";
import { type EventSummary, type FragmentEnvironment, Fragments } from "./fragments";

const INDICATOR_INTERVAL = 2_000; // ms between updates of the connection indicator
const MIDNIGHT_JITTER = 60_000; // ms; spreads the reloads of all clients at midnight
const TIMES_INTERVAL = 60_000; // ms between updates of relative times

/** The browser functions that the store needs, injected for tests. */
export interface StoreEnvironment {
  fetchFragment: FragmentEnvironment["fetch"];
  processHtmx(element: Element): void; // activate htmx attributes of inserted elements
  goToSignIn(): void;
  isVisible(): boolean;
  log(line: string): void;
  /** Another person created a ticket or posted a public reply in it. */
  onReply?(ticket: string): void;
  /** The server answers: the stream has connected. */
  onConnected?(): void;
}

/** The client side of one page: channels, rows, fragments, toasts and the indicator. */
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
  #isFirstConnect = true;
  #freshAt: number; // ms since 1970; when the page was last known to be current

  constructor(page: Page, clock: Clock, environment: StoreEnvironment) {
    this.#page = page;
    this.#clock = clock;
    this.#environment = environment;
    this.#channels = new ChannelSet(page.channels);
    this.#freshAt = clock.now();
    this.toaster = new Toaster(clock);
    this.renderer = new DomRenderer(clock, (element) => this.fragments.markStale(element));
    this.fragments = new Fragments(clock, {
      fetch: environment.fetchFragment,
      isHidden: () => !environment.isVisible(),
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
        this.#onConnectedChannels(this.#channels.connect(frame.told));
        if (frame.told.verdict === "reset") this.fragments.markAllStale();
        this.fragments.onNotice();
        this.fragments.wake();
        this.#environment.onConnected?.();
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

  /** Show the toast of an event, if it has one and the page does not show the event itself. */
  showToast({ id, told }: EventFrame): void {
    const toast = createToast(told.type, told.data, this.#page.readerIds);
    // Channels are not checked: a person who joins receives the event before they hold any.
    if (!toast || isShownOnPage(told)) return;
    const kind = `${told.type} ${told.data.workspace ?? ""}`;
    const named = withOrganization(toast, told.data, this.#page.activeWorkspace);
    this.toaster.add(id, kind, channelsOfEvent(told, this.#page.readerIds), named);
  }

  /** Return whether the reader still holds a channel that shows an event. */
  canSee({ told }: EventFrame): boolean {
    return this.#isEventVisible(told);
  }

  onStateChange(state: StreamState): void {
    if (state === "live" || this.#state === "live") this.#freshAt = this.#clock.now();
    this.#state = state;
    if (state === "signed-out") this.showSignedOut();
    this.#showFreshness();
  }

  /** Reapply newer events to elements from a response requested at `since` (ms since 1970). */
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

  /** Remove from the page and from memory what the reader may no longer see. */
  #removeInvisible(): void {
    const held = this.#channels.held;
    if (!held) return;
    removeInvisible(document, held);
    this.toaster.forgetDetached();
    this.#recentEvents.retain((event) => this.#isEventVisible(event));
  }

  /** Return whether the reader holds a channel that shows `event`. */
  #isEventVisible(event: Envelope): boolean {
    const held = this.#channels.held;
    const channels = channelsOfEvent(event, this.#page.readerIds);
    return held === null || channels.length === 0 || channels.some((name) => held.has(name));
  }

  /** Show that the session has ended, with a link to sign in. */
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
    this.fragments.onEvent(summarizeEvent(event)); // after it, so that no emptied element reloads
    if (event.type === "organization.deleted")
      this.#recentEvents.retain((recent) => !isTicketOfDeleted(recent, event));
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

  #onConnectedChannels(diff: ChannelDiff | null): void {
    if (diff) {
      this.#onChannelDiff(diff);
      return;
    }
    this.#environment.log("channels: not those of this page; its parts reload");
    this.#removeInvisible();
    this.renderer.updateLists();
    this.fragments.markAllStale();
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

/** Describe a connect for the console; a page's first `resumed` is `live`, since nothing broke. */
function describeConnect({ verdict, because, position }: Connected, isNew: boolean): string {
  const outcome = isNew && verdict === "resumed" && !because ? "live" : verdict;
  return `connected (${outcome}${because ? ` because ${because}` : ""}) at ${position}`;
}

/** Return whether an event adds something that every viewer of the ticket can read. */
function isPublicMessage({ type, data }: Envelope): boolean {
  if (type === "ticket.created") return true; // its description
  return type === "ticket.message_sent" && "line" in data && data.line?.kind === "reply";
}

/** Return whether an event is a message of the ticket whose page is open. */
function isShownOnPage({ type, data }: Envelope): boolean {
  if (type !== "ticket.message_sent" || !("ticket" in data)) return false;
  const page = `[data-ticket="${CSS.escape(data.ticket)}"][data-read]`;
  return document.querySelector(page) !== null;
}

function summarizeEvent({ type, data }: Envelope): EventSummary {
  const ticket = "ticket" in data ? data.ticket : null;
  return { type, workspace: data.workspace ?? null, ticket };
}
