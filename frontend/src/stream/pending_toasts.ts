// Events whose toast nobody has been shown yet, because nobody was looking at any tab.

import type { EventFrame } from "./frames";

const CAPACITY = 20; // events; whoever comes back to more reads the page, not the toasts
const MAX_AGE = 600_000; // ms; what is older is on the page, and is no news any more

export class PendingToasts {
  #entries: { at: number; frame: EventFrame }[] = [];

  add(frame: EventFrame, now: number): void {
    this.#entries.push({ at: now, frame });
    if (this.#entries.length > CAPACITY) this.#entries.shift();
  }

  /** Forgets what was shown. */
  remove(ids: Iterable<string>): void {
    const gone = new Set(ids);
    this.retain(({ id }) => !gone.has(id));
  }

  /** Forgets what `isKept` does not hold true of. */
  retain(isKept: (frame: EventFrame) => boolean): void {
    this.#entries = this.#entries.filter(({ frame }) => isKept(frame));
  }

  clear(): void {
    this.#entries = [];
  }

  /** Oldest first; what has become too old is forgotten. */
  listFresh(now: number): EventFrame[] {
    this.#entries = this.#entries.filter(({ at }) => now - at < MAX_AGE);
    return this.#entries.map(({ frame }) => frame);
  }
}
