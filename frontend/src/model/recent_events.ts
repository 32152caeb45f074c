// Keep the newest events, to reapply them to a response that was rendered before they happened.

const CAPACITY = 300; // events; more than arrive while a request is in flight

/** A bounded list of events with the time each arrived. */
export class RecentEvents<T> {
  #entries: { at: number; entry: T }[] = [];

  add(entry: T, at: number): void {
    this.#entries.push({ at, entry });
    if (this.#entries.length > CAPACITY) this.#entries.shift();
  }

  /** Keep only the entries for which `isKept` returns true. */
  retain(isKept: (entry: T) => boolean): void {
    this.#entries = this.#entries.filter(({ entry }) => isKept(entry));
  }

  /** List the entries that arrived at or after `at` (ms since 1970), oldest first. */
  since(at: number): T[] {
    return this.#entries.filter((each) => each.at >= at).map(({ entry }) => entry);
  }
}
