// The newest events, so that an answer rendered before them can be mended after it is shown.

const CAPACITY = 300; // events; no request is under way for longer than these take

export class RecentEvents<T> {
  #entries: { at: number; entry: T }[] = [];

  add(entry: T, at: number): void {
    this.#entries.push({ at, entry });
    if (this.#entries.length > CAPACITY) this.#entries.shift();
  }

  /** Forgets what `isKept` does not hold true of. */
  retain(isKept: (entry: T) => boolean): void {
    this.#entries = this.#entries.filter((one) => isKept(one.entry));
  }

  /** What came at or after `at` (ms), oldest first. */
  since(at: number): T[] {
    return this.#entries.filter((one) => one.at >= at).map((one) => one.entry);
  }
}
