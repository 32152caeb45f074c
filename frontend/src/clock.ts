// Time and chance as arguments, so that tests own both.

export type Cancel = () => void;

export interface Clock {
  /** Milliseconds since 1970. The wall clock: unlike `performance.now` it runs on in sleep. */
  now(): number;
  after(ms: number, callback: () => void): Cancel;
  /** In [0, 1). */
  random(): number;
}

/** Acts every `ms` until it is cancelled; also from within. */
export function every(clock: Clock, ms: number, callback: () => void): Cancel {
  let isOver = false;
  let cancel: Cancel = () => {};
  const again = (): void => {
    cancel = clock.after(ms, () => {
      callback();
      if (!isOver) again();
    });
  };
  again();
  return () => {
    isOver = true;
    cancel();
  };
}

export const realClock: Clock = {
  now: () => Date.now(),
  after(ms, act) {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
