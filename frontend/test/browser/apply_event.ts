// For a browser test: puts an event on a page of its own making, by the store's own code.

import { type Clock, realClock } from "../../src/clock";
import type { Envelope } from "../../src/generated/events";
import { changesOf } from "../../src/model/reducers";
import { Screen } from "../../src/ui/dom";
import { freshenTimes } from "../../src/ui/times";

/** Applies `event` as if it were `now` (ms), and brings every time on the page up to that. */
function tell(event: Envelope, now: number): void {
  const clock: Clock = { ...realClock, now: () => now };
  const screen = new Screen(clock, (element) => {
    throw new Error(`no template for what belongs into ${element.outerHTML}`);
  });
  for (const change of changesOf(event.type, event.data)) screen.apply(change);
  freshenTimes(document, now);
  screen.tidy();
}

Object.assign(window, { tell });
