// Deliver each toast to exactly one tab: the leader offers it to the active tab, which confirms it.
//
// Without a confirmation within the timeout, the leader offers it to another tab.

import type { Cancel, Clock } from "../clock";
import { SeenIds } from "../model/seen_ids";
import type { EventFrame } from "./frames";
import { PendingToasts } from "./pending_toasts";
import { type Attention, findActiveTab } from "./tab_messages";

const OFFER_TIMEOUT = 3_000; // ms; a tab that has not shown an offered toast by then is gone
const REMEMBERED_IDS = 500; // ids of events whose toasts any tab has shown

/** The functions of a tab that delivering toasts needs. */
export interface ToastEnvironment {
  tabId: string; // of this tab
  readAttention(): Attention;
  showToast(frame: EventFrame): void;
  sendOffer(to: string, frames: EventFrame[]): void;
  /** Tell every other tab that these were shown. */
  announceShown(ids: string[]): void;
}

/** The toasts of one tab: as leader it distributes them, as follower it accepts offers. */
export class ToastDelivery {
  readonly #clock: Clock;
  readonly #environment: ToastEnvironment;
  readonly #pending = new PendingToasts();
  readonly #shownIds = new SeenIds(REMEMBERED_IDS);
  readonly #otherTabs = new Map<string, Attention>();
  #cancelOfferTimeout: Cancel | null = null;

  constructor(clock: Clock, environment: ToastEnvironment) {
    this.#clock = clock;
    this.#environment = environment;
  }

  /** Add an event that every tab has just received. */
  enqueue(frame: EventFrame): void {
    this.#pending.add(frame, this.#clock.now());
  }

  /** Keep only the pending toasts for which `isKept` returns true. */
  retain(isKept: (frame: EventFrame) => boolean): void {
    this.#pending.retain(isKept);
  }

  /** Drop all pending toasts: another tab may have shown them without this tab noticing. */
  clear(): void {
    this.#pending.clear();
  }

  /** Record that another tab showed these. */
  markShown(ids: readonly string[]): void {
    ids.forEach((id) => this.#shownIds.addIfNew(id));
    this.#pending.remove(ids);
  }

  /** Show offered toasts, unless this tab was hidden meanwhile: the leader offers them again. */
  acceptOffer(frames: readonly EventFrame[]): void {
    if (this.#environment.readAttention().isVisible) this.#showToasts(frames);
  }

  /** As leader: update the attention of another tab; null: it was closed. */
  updateTab(tab: string, attention: Attention | null): void {
    if (attention) this.#otherTabs.set(tab, attention);
    else this.#otherTabs.delete(tab);
  }

  /** As leader: deliver the pending toasts to the active tab, if any tab is visible. */
  deliver(): void {
    const frames = this.#pending.listFresh(this.#clock.now());
    if (frames.length === 0) return;
    const { tabId } = this.#environment;
    const ownAttention = this.#environment.readAttention();
    const to = findActiveTab(new Map([...this.#otherTabs, [tabId, ownAttention]]));
    if (to === tabId) this.#showToasts(frames);
    else if (to !== null) this.#offerTo(to, frames);
  }

  /** Forget the tabs and the pending toasts; the next leader has its own. */
  stopLeading(): void {
    this.#cancelOfferTimeout?.();
    this.#cancelOfferTimeout = null;
    this.#otherTabs.clear();
    this.#pending.clear();
  }

  #offerTo(to: string, frames: EventFrame[]): void {
    this.#environment.sendOffer(to, frames);
    this.#cancelOfferTimeout ??= this.#clock.after(OFFER_TIMEOUT, () =>
      this.#onOfferTimeout(to, frames),
    );
  }

  /** Assume that a tab that did not show its toasts is closed, crashed or frozen. */
  #onOfferTimeout(to: string, frames: readonly EventFrame[]): void {
    this.#cancelOfferTimeout = null;
    const pendingIds = new Set(this.#pending.listFresh(this.#clock.now()).map(({ id }) => id));
    if (frames.some(({ id }) => pendingIds.has(id))) this.#otherTabs.delete(to);
    this.deliver();
  }

  #showToasts(frames: readonly EventFrame[]): void {
    for (const frame of frames)
      if (this.#shownIds.addIfNew(frame.id)) this.#environment.showToast(frame);
    const ids = frames.map(({ id }) => id);
    this.#pending.remove(ids);
    this.#environment.announceShown(ids);
  }
}
