// Remembers a bounded number of ids, to recognize duplicates.

/** Remembers the newest ids, to tell what was seen before. */
export class SeenIds {
  readonly #ids = new Set<string>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** True the first time; an empty id is always new. */
  addIfNew(id: string): boolean {
    if (id === "") return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.#capacity) break;
      this.#ids.delete(oldest);
    }
    return true;
  }
}
