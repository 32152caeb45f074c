// Counts what comes in one burst, so that a flood becomes one line instead of forty.

const GAP = 1_000; // ms; a burst ends when nothing of its kind came for so long
const APART = 3; // this many of a burst are shown one by one

export class Bursts {
  readonly #bursts = new Map<string, { count: number; last: number }>();

  /** How many of this kind the burst has now, and whether they are to be shown as one. */
  add(kind: string, now: number): { count: number; isGrouped: boolean } {
    const burst = this.#bursts.get(kind);
    const count = burst && now - burst.last <= GAP ? burst.count + 1 : 1;
    this.#bursts.set(kind, { count, last: now });
    return { count, isGrouped: count > APART };
  }
}

/** Remembers the newest ids, to tell what was seen before. */
export class Seen {
  readonly #ids = new Set<string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** True the first time; an empty id is always new. */
  isNew(id: string): boolean {
    if (id === "") return true;
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    for (const oldest of this.#ids) {
      if (this.#ids.size <= this.#most) break;
      this.#ids.delete(oldest);
    }
    return true;
  }
}
