// Counts what comes in one burst, so that a flood becomes one line instead of forty.

const BURST_GAP = 1_000; // ms; a burst ends when nothing of its kind came for so long
const MAX_UNGROUPED = 3; // this many of a burst are shown one by one

export class BurstCounter {
  readonly #bursts = new Map<string, { count: number; last: number }>();

  /** How many of this kind the burst has now, and whether they are to be shown as one. */
  add(kind: string, now: number): { count: number; isGrouped: boolean } {
    const burst = this.#bursts.get(kind);
    const count = burst && now - burst.last <= BURST_GAP ? burst.count + 1 : 1;
    this.#bursts.set(kind, { count, last: now });
    return { count, isGrouped: count > MAX_UNGROUPED };
  }
}
