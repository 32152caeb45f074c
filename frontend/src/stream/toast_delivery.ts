// Whose toast it is: the leader offers it to the tab that is looked at, which says it was shown.

import { Seen } from "../model/burst_counter";
import type { Cancel, Clock } from "../clock";
import type { EventFrame } from "./frames";
import { type Attention, whoIsLookedAt } from "./tab_messages";
import { Untold } from "./pending_toasts";

const PATIENCE = 3_000; // ms for a tab to show the toasts it was offered
const REMEMBERED = 500; // event ids whose toast was shown, here or elsewhere

export interface Stage {
  tab: string; // this one's name
  attention(): Attention;
  show(frame: EventFrame): void;
  offer(to: string, frames: EventFrame[]): void;
  /** Every tab is to know that these were shown. */
  announce(ids: string[]): void;
}

export class Offers {
  readonly #clock: Clock;
  readonly #stage: Stage;
  readonly #untold = new Untold();
  readonly #told = new Seen(REMEMBERED);
  readonly #others = new Map<string, Attention>();
  #cancel: Cancel | null = null;

  constructor(clock: Clock, stage: Stage) {
    this.#clock = clock;
    this.#stage = stage;
  }

  /** An event that every tab has just been told of. */
  add(frame: EventFrame): void {
    this.#untold.add(frame, this.#clock.now());
  }

  retain(isKept: (frame: EventFrame) => boolean): void {
    this.#untold.retain(isKept);
  }

  /** Forgets what was not shown: some of it may have been, unheard of here. */
  clear(): void {
    this.#untold.clear();
  }

  /** Another tab showed these. */
  drop(ids: readonly string[]): void {
    ids.forEach((id) => this.#told.isNew(id));
    this.#untold.drop(ids);
  }

  /** This tab was offered these; who looked away meanwhile has said so, and another is found. */
  take(frames: readonly EventFrame[]): void {
    if (this.#stage.attention().isVisible) this.#show(frames);
  }

  /** As leader: what is known of another tab; null: it is gone. */
  attend(tab: string, attention: Attention | null): void {
    if (attention) this.#others.set(tab, attention);
    else this.#others.delete(tab);
  }

  /** As leader: gives what nobody was shown yet to the tab that is looked at, if there is one. */
  give(): void {
    const frames = this.#untold.all(this.#clock.now());
    if (frames.length === 0) return;
    const { tab } = this.#stage;
    const to = whoIsLookedAt(new Map([...this.#others, [tab, this.#stage.attention()]]));
    if (to === tab) this.#show(frames);
    else if (to !== null) this.#offer(to, frames);
  }

  /** This tab leads no more. */
  retire(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#others.clear();
    this.#untold.clear();
  }

  #offer(to: string, frames: EventFrame[]): void {
    this.#stage.offer(to, frames);
    this.#cancel ??= this.#clock.after(PATIENCE, () => this.#giveUpOn(to, frames));
  }

  /** A tab that shows no toast is closed, crashed or frozen. */
  #giveUpOn(to: string, frames: readonly EventFrame[]): void {
    this.#cancel = null;
    const left = new Set(this.#untold.all(this.#clock.now()).map(({ id }) => id));
    if (frames.some(({ id }) => left.has(id))) this.#others.delete(to);
    this.give();
  }

  #show(frames: readonly EventFrame[]): void {
    for (const frame of frames) if (this.#told.isNew(frame.id)) this.#stage.show(frame);
    const ids = frames.map(({ id }) => id);
    this.#untold.drop(ids);
    this.#stage.announce(ids);
  }
}
