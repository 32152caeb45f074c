// Compute the delay before the next attempt.

const BASE_DELAY = 500; // ms; long enough for a brief interruption to end
const MAX_DELAY = 30_000; // ms; a reader barely notices a stream that is back within it

/** Return exponential backoff with full jitter, in ms: 0 to the bound, so that tabs spread out.
 *
 * `attempt` counts from 0; `random` is in [0, 1).
 */
export function fullJitter(attempt: number, random: number): number {
  return Math.round(random * Math.min(MAX_DELAY, BASE_DELAY * 2 ** Math.min(attempt, 16)));
}
