// Inject time and randomness, so that tests control both.

export type Cancel = () => void;

export interface Clock {
  /** Return milliseconds since 1970. Unlike `performance.now`, it advances during sleep. */
  now(): number;
  /** Call back once after `ms`, unless cancelled. */
  after(ms: number, callback: () => void): Cancel;
  /** Return a number in [0, 1). */
  random(): number;
}

/** Call back every `ms` until cancelled, which the callback itself may do. */
export function every(clock: Clock, ms: number, callback: () => void): Cancel {
  let isCancelled = false;
  let cancel: Cancel = () => {};
  const schedule = (): void => {
    cancel = clock.after(ms, () => {
      callback();
      if (!isCancelled) schedule();
    });
  };
  schedule();
  return () => {
    isCancelled = true;
    cancel();
  };
}

export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
