// Keep the events whose toasts no tab has shown yet, because all tabs were hidden.

import type { EventFrame } from "./frames";

const CAPACITY = 20; // events; a reader who comes back to more reads the page instead
const MAX_AGE = 600_000; // ms; older events are no longer news

/** A bounded queue of events, oldest first. */
export class PendingToasts {
  #entries: { at: number; frame: EventFrame }[] = [];

  add(frame: EventFrame, now: number): void {
    this.#entries.push({ at: now, frame });
    if (this.#entries.length > CAPACITY) this.#entries.shift();
  }

  /** Remove the events whose toasts were shown. */
  remove(ids: Iterable<string>): void {
    const removed = new Set(ids);
    this.retain(({ id }) => !removed.has(id));
  }

  /** Keep only the events for which `isKept` returns true. */
  retain(isKept: (frame: EventFrame) => boolean): void {
    this.#entries = this.#entries.filter(({ frame }) => isKept(frame));
  }

  clear(): void {
    this.#entries = [];
  }

  /** List the pending events, oldest first; drop those that are too old. */
  listFresh(now: number): EventFrame[] {
    this.#entries = this.#entries.filter(({ at }) => now - at < MAX_AGE);
    return this.#entries.map(({ frame }) => frame);
  }
}
