// Remember a bounded number of ids, to recognize duplicates.

/** The newest ids, up to a capacity. */
export class SeenIds {
  readonly #ids = new Set<string>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Add an id; return whether it was new. An empty id is always new. */
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
