// Show toasts: at most four, for six seconds each, longer while the pointer or focus is on one.

import type { Clock } from "../clock";
import { BurstCounter } from "../model/burst_counter";
import { SeenIds } from "../model/seen_ids";
import type { Toast } from "../model/toasts";
import { cloneTemplate, fillSlots } from "./slots";

const TOAST_DURATION = 6_000; // ms; counted only while the tab is visible and no toast is hovered
const TICK_INTERVAL = 250; // ms between countdown steps
const MAX_TOASTS = 4; // toasts at a time; more would cover the page
const REMEMBERED_IDS = 500; // event ids, to show each toast once

interface ToastCard {
  root: HTMLElement;
  kind: string;
  remainingMs: number;
  isGroup: boolean;
}

/** The toasts on the page. */
export class Toaster {
  readonly #clock: Clock;
  readonly #bursts = new BurstCounter();
  readonly #seenIds = new SeenIds(REMEMBERED_IDS);
  #cards: ToastCard[] = [];
  #isTicking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Show a toast, or group it with others of its `kind` in the same burst.
   *
   * `id` is the event's (empty: always shown). The toast goes when none of `channels` is held.
   */
  add(id: string, kind: string, channels: readonly string[], toast: Toast): void {
    const container = document.getElementById("toasts");
    if (!container || !this.#seenIds.addIfNew(id)) return;
    const { count, isGrouped } = this.#bursts.add(kind, this.#clock.now());
    if (isGrouped) {
      const { text: _text, ...rest } = toast;
      this.#showGrouped(container, kind, channels, { ...rest, title: toast.groupTitle(count) });
    } else {
      this.#append(container, kind, channels, toast);
    }
  }

  /** Forget toasts that other code has removed from the page. */
  forgetDetached(): void {
    this.#cards = this.#cards.filter(({ root }) => root.isConnected);
  }

  /** Remove the toast that contains `element`. */
  dismiss(element: Element): void {
    const card = this.#cards.find(({ root }) => root.contains(element));
    if (card) this.#removeCard(card);
  }

  /** Remove the newest toast; return whether there was one. */
  dismissNewest(): boolean {
    const newest = this.#cards[this.#cards.length - 1];
    if (newest) this.#removeCard(newest);
    return newest !== undefined;
  }

  #showGrouped(
    container: HTMLElement,
    kind: string,
    channels: readonly string[],
    toast: Toast,
  ): void {
    const group = this.#cards.find((card) => card.kind === kind && card.isGroup);
    if (group) {
      group.remainingMs = TOAST_DURATION;
      this.#fillCard(group.root, channels, toast);
      return;
    }
    this.#cards.filter((card) => card.kind === kind).forEach((card) => this.#removeCard(card));
    const card = this.#append(container, kind, channels, toast);
    if (card) card.isGroup = true;
  }

  #append(
    container: HTMLElement,
    kind: string,
    channels: readonly string[],
    toast: Toast,
  ): ToastCard | null {
    const root = cloneTemplate("toast");
    if (!root) return null;
    this.#fillCard(root, channels, toast);
    container.append(root);
    const card: ToastCard = { root, kind, remainingMs: TOAST_DURATION, isGroup: false };
    this.#cards.push(card);
    while (this.#cards.length > MAX_TOASTS && this.#cards[0]) this.#removeCard(this.#cards[0]);
    if (!this.#isTicking) this.#tick();
    return card;
  }

  #fillCard(root: HTMLElement, channels: readonly string[], toast: Toast): void {
    fillSlots(root, toast, this.#clock.now());
    const before = (root.dataset["held"] ?? "").split(" ");
    const all = [...new Set([...before, ...channels])].filter(Boolean);
    if (all.length > 0) root.dataset["held"] = all.join(" "); // none: about no workspace
  }

  #tick(): void {
    this.#isTicking = true;
    this.#clock.after(TICK_INTERVAL, () => {
      this.forgetDetached();
      this.#ageCards();
      this.#isTicking = false;
      if (this.#cards.length > 0) this.#tick();
    });
  }

  #ageCards(): void {
    const isBeingRead = this.#cards.some(({ root }) => root.matches(":hover, :focus-within"));
    if (document.hidden || isBeingRead) return;
    for (const card of [...this.#cards]) {
      card.remainingMs -= TICK_INTERVAL;
      if (card.remainingMs <= 0) this.#removeCard(card);
    }
  }

  #removeCard(card: ToastCard): void {
    card.root.remove();
    this.#cards = this.#cards.filter((other) => other !== card);
  }
}
