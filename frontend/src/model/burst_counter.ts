// Count events of the same kind in a burst, so that a flood becomes one toast instead of forty.

const BURST_GAP = 1_000; // ms; a burst ends when no event of its kind arrives for this long
const MAX_UNGROUPED = 3; // toasts of one burst shown one by one

/** One counter per kind of toast. */
export class BurstCounter {
  readonly #bursts = new Map<string, { count: number; last: number }>();

  /** Count one more of `kind`; return the size of the burst and whether to show it as one toast. */
  add(kind: string, now: number): { count: number; isGrouped: boolean } {
    const burst = this.#bursts.get(kind);
    const count = burst && now - burst.last <= BURST_GAP ? burst.count + 1 : 1;
    this.#bursts.set(kind, { count, last: now });
    return { count, isGrouped: count > MAX_UNGROUPED };
  }
}
