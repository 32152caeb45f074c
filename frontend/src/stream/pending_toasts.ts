// Events whose toast nobody has been shown yet, because nobody was looking at any tab.

import type { EventFrame } from "./frames";

const MOST = 20; // events; whoever comes back to more reads the page, not the toasts
const LIFE = 600_000; // ms; what is older is on the page, and is no news any more

export class Untold {
  #kept: { at: number; frame: EventFrame }[] = [];

  add(frame: EventFrame, now: number): void {
    this.#kept.push({ at: now, frame });
    if (this.#kept.length > MOST) this.#kept.shift();
  }

  /** Forgets what was shown. */
  drop(ids: Iterable<string>): void {
    const gone = new Set(ids);
    this.retain(({ id }) => !gone.has(id));
  }

  /** Forgets what `isKept` does not hold true of. */
  retain(isKept: (frame: EventFrame) => boolean): void {
    this.#kept = this.#kept.filter(({ frame }) => isKept(frame));
  }

  clear(): void {
    this.#kept = [];
  }

  /** Oldest first; what has become too old is forgotten. */
  all(now: number): EventFrame[] {
    this.#kept = this.#kept.filter(({ at }) => now - at < LIFE);
    return this.#kept.map(({ frame }) => frame);
  }
}
