// When a day turns: at midnight in some zone, also where a clock is put forward or back that night.

import type { Cancel, Clock } from "../clock";

const CHECK_INTERVAL = 60_000; // ms; timers stand still while a machine sleeps, so none waits for longer
const LONGEST_DAY = 30 * 3_600_000; // ms; more than any day has

/** The name of the day a moment (ms) is in. */
export type DayNameAt = (at: number) => string;

export const utcDay: DayNameAt = (at) => new Date(at).toISOString().slice(0, 10);

/** The first moment (ms) of the day after the one that `now` is in. */
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

/** Acts when the day turns, until it is cancelled; once for a night that was slept through. */
export function everyMidnight(clock: Clock, dayAt: DayNameAt, callback: () => void): Cancel {
  let cancel: Cancel = () => {};
  let day = dayAt(clock.now());
  let end = nextMidnight(clock.now(), dayAt);
  const wait = (): void => {
    cancel = clock.after(Math.min(Math.max(end - clock.now(), 1), CHECK_INTERVAL), look);
  };
  const look = (): void => {
    wait();
    const now = clock.now();
    if (now < end && dayAt(now) === day) return;
    day = dayAt(now);
    end = nextMidnight(now, dayAt);
    cancel();
    wait();
    callback();
  };
  wait();
  return () => cancel();
}
