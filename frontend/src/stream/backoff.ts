// How long to wait before the next try.

const BASE = 500; // ms; a blip is over by then
const CAP = 30_000; // ms; a stream that is back within half a minute feels live

/** Full jitter: anything up to the exponential bound, so that tabs do not march in step. */
export function fullJitter(attempt: number, random: number): number {
  return Math.round(random * Math.min(CAP, BASE * 2 ** Math.min(attempt, 16)));
}
