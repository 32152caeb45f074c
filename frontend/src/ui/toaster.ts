// Shows toasts: at most four, gone after six seconds unless somebody is reading them.

import { Bursts, Seen } from "../model/burst_counter";
import type { Clock } from "../clock";
import { cloneOf, fill } from "./slots";
import type { Toast } from "../model/toasts";

const LIFE = 6_000; // ms a toast stays, counted only while it can be read
const STEP = 250; // ms between two looks at the toasts
const MOST = 4; // toasts at a time; more is a wall
const REMEMBERED = 500; // event ids

interface Card {
  root: HTMLElement;
  kind: string;
  left: number; // ms
  isGroup: boolean;
}

export class Toaster {
  readonly #clock: Clock;
  readonly #bursts = new Bursts();
  readonly #seen = new Seen(REMEMBERED);
  #cards: Card[] = [];
  #isTicking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `id` is the event's, `kind` what is grouped together, `held` the channels that show it. */
  add(id: string, kind: string, held: readonly string[], toast: Toast): void {
    const container = document.getElementById("toasts");
    if (!container || !this.#seen.isNew(id)) return;
    const { count, isGrouped } = this.#bursts.add(kind, this.#clock.now());
    if (isGrouped) {
      const { text: _one, ...rest } = toast;
      this.#regroup(container, kind, held, { ...rest, title: toast.many(count) });
    } else {
      this.#put(container, kind, held, toast);
    }
  }

  /** Forgets the toasts that were taken off the page from elsewhere. */
  sweep(): void {
    this.#cards = this.#cards.filter(({ root }) => root.isConnected);
  }

  /** Removes the toast `element` is in. */
  dismiss(element: Element): void {
    const card = this.#cards.find(({ root }) => root.contains(element));
    if (card) this.#drop(card);
  }

  /** Removes the newest; whether there was one. */
  dismissNewest(): boolean {
    const newest = this.#cards[this.#cards.length - 1];
    if (newest) this.#drop(newest);
    return newest !== undefined;
  }

  #regroup(container: HTMLElement, kind: string, held: readonly string[], toast: Toast): void {
    const group = this.#cards.find((card) => card.kind === kind && card.isGroup);
    if (group) {
      group.left = LIFE;
      this.#fill(group.root, held, toast);
      return;
    }
    this.#cards.filter((card) => card.kind === kind).forEach((card) => this.#drop(card));
    const card = this.#put(container, kind, held, toast);
    if (card) card.isGroup = true;
  }

  #put(
    container: HTMLElement,
    kind: string,
    held: readonly string[],
    toast: Toast,
  ): Card | null {
    const root = cloneOf("toast");
    if (!root) return null;
    this.#fill(root, held, toast);
    container.append(root);
    const card = { root, kind, left: LIFE, isGroup: false };
    this.#cards.push(card);
    while (this.#cards.length > MOST && this.#cards[0]) this.#drop(this.#cards[0]);
    if (!this.#isTicking) this.#tick();
    return card;
  }

  #fill(root: HTMLElement, held: readonly string[], toast: Toast): void {
    fill(root, toast, this.#clock.now());
    const before = (root.dataset["held"] ?? "").split(" ");
    const marks = [...new Set([...before, ...held])].filter(Boolean);
    if (marks.length > 0) root.dataset["held"] = marks.join(" "); // none: it tells of no workspace
  }

  #tick(): void {
    this.#isTicking = true;
    this.#clock.after(STEP, () => {
      this.sweep();
      this.#age();
      this.#isTicking = false;
      if (this.#cards.length > 0) this.#tick();
    });
  }

  #age(): void {
    const isRead = this.#cards.some(({ root }) => root.matches(":hover, :focus-within"));
    if (document.hidden || isRead) return;
    for (const card of [...this.#cards]) {
      card.left -= STEP;
      if (card.left <= 0) this.#drop(card);
    }
  }

  #drop(card: Card): void {
    card.root.remove();
    this.#cards = this.#cards.filter((other) => other !== card);
  }
}
