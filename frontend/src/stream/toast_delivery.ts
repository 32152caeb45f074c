// Whose toast it is: the leader offers it to the tab that is looked at, which says it was shown.

import { SeenIds } from "../model/seen_ids";
import type { Cancel, Clock } from "../clock";
import type { EventFrame } from "./frames";
import { type Attention, findActiveTab } from "./tab_messages";
import { PendingToasts } from "./pending_toasts";

const OFFER_TIMEOUT = 3_000; // ms for a tab to show the toasts it was offered
const REMEMBERED_IDS = 500; // event ids whose toast was shown, here or elsewhere

export interface ToastEnvironment {
  tabId: string; // this one's name
  readAttention(): Attention;
  showToast(frame: EventFrame): void;
  sendOffer(to: string, frames: EventFrame[]): void;
  /** Every tab is to know that these were shown. */
  announceShown(ids: string[]): void;
}

export class ToastDelivery {
  readonly #clock: Clock;
  readonly #environment: ToastEnvironment;
  readonly #pending = new PendingToasts();
  readonly #shownIds = new SeenIds(REMEMBERED_IDS);
  readonly #otherTabs = new Map<string, Attention>();
  #cancelOfferTimeout: Cancel | null = null;

  constructor(clock: Clock, stage: ToastEnvironment) {
    this.#clock = clock;
    this.#environment = stage;
  }

  /** An event that every tab has just been told of. */
  enqueue(frame: EventFrame): void {
    this.#pending.add(frame, this.#clock.now());
  }

  retain(isKept: (frame: EventFrame) => boolean): void {
    this.#pending.retain(isKept);
  }

  /** Forgets what was not shown: some of it may have been, unheard of here. */
  clear(): void {
    this.#pending.clear();
  }

  /** Another tab showed these. */
  markShown(ids: readonly string[]): void {
    ids.forEach((id) => this.#shownIds.addIfNew(id));
    this.#pending.remove(ids);
  }

  /** This tab was offered these; who looked away meanwhile has said so, and another is found. */
  acceptOffer(frames: readonly EventFrame[]): void {
    if (this.#environment.readAttention().isVisible) this.#showToasts(frames);
  }

  /** As leader: what is known of another tab; null: it is gone. */
  updateTab(tab: string, attention: Attention | null): void {
    if (attention) this.#otherTabs.set(tab, attention);
    else this.#otherTabs.delete(tab);
  }

  /** As leader: gives what nobody was shown yet to the tab that is looked at, if there is one. */
  deliver(): void {
    const frames = this.#pending.listFresh(this.#clock.now());
    if (frames.length === 0) return;
    const { tabId: tab } = this.#environment;
    const to = findActiveTab(
      new Map([...this.#otherTabs, [tab, this.#environment.readAttention()]]),
    );
    if (to === tab) this.#showToasts(frames);
    else if (to !== null) this.#offerTo(to, frames);
  }

  /** This tab leads no more. */
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

  /** A tab that shows no toast is closed, crashed or frozen. */
  #onOfferTimeout(to: string, frames: readonly EventFrame[]): void {
    this.#cancelOfferTimeout = null;
    const left = new Set(this.#pending.listFresh(this.#clock.now()).map(({ id }) => id));
    if (frames.some(({ id }) => left.has(id))) this.#otherTabs.delete(to);
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
