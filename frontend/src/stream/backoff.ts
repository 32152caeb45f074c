// How long to wait before the next try.

const BASE_DELAY = 500; // ms; a blip is over by then
const MAX_DELAY = 30_000; // ms; a stream that is back within half a minute feels live

/** Full jitter: anything up to the exponential bound, so that tabs do not march in step. */
export function fullJitter(attempt: number, random: number): number {
  return Math.round(random * Math.min(MAX_DELAY, BASE_DELAY * 2 ** Math.min(attempt, 16)));
}
