// Call back at midnight in a time zone, also on nights when its clock changes.

import type { Cancel, Clock } from "../clock";

const CHECK_INTERVAL = 60_000; // ms; timers stop while a machine sleeps, so wait no longer
const LONGEST_DAY = 30 * 3_600_000; // ms; longer than any day, also with a clock change

/** Returns the date of a moment (ms since 1970) in some time zone: `2026-11-27`. */
export type DayNameAt = (at: number) => string;

/** Return the date of a moment in UTC. */
export const utcDay: DayNameAt = (at) => new Date(at).toISOString().slice(0, 10);

/** Find the next midnight after `now`, in ms since 1970, by bisection. */
export function nextMidnight(now: number, dayAt: DayNameAt): number {
  const today = dayAt(now);
  let [before, after] = [now, now + LONGEST_DAY];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (dayAt(middle) === today) before = middle;
    else after = middle;
  }
  return after;
}

/** Call back at every midnight until cancelled; once after a sleep, however many nights it took. */
export function everyMidnight(clock: Clock, dayAt: DayNameAt, callback: () => void): Cancel {
  let cancel: Cancel = () => {};
  let day = dayAt(clock.now());
  let midnight = nextMidnight(clock.now(), dayAt);
  const schedule = (): void => {
    cancel = clock.after(Math.min(Math.max(midnight - clock.now(), 1), CHECK_INTERVAL), check);
  };
  const check = (): void => {
    schedule();
    const now = clock.now();
    if (now < midnight && dayAt(now) === day) return;
    day = dayAt(now);
    midnight = nextMidnight(now, dayAt);
    cancel();
    schedule();
    callback();
  };
  schedule();
  return () => cancel();
}
