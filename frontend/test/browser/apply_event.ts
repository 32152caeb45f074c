// For a browser test: puts an event on a page of its own making, by the store's own code.

import { type Clock, realClock } from "../../src/clock";
import type { Envelope } from "../../src/generated/events";
import { reduceEvent } from "../../src/model/reducers";
import { DomRenderer } from "../../src/ui/dom";
import { updateTimes } from "../../src/ui/times";

/** Applies `event` as if it were `now` (ms), and brings every time on the page up to that. */
function applyEvent(event: Envelope, now: number): void {
  const clock: Clock = { ...realClock, now: () => now };
  const screen = new DomRenderer(clock, (element) => {
    throw new Error(`no template for what belongs into ${element.outerHTML}`);
  });
  for (const change of reduceEvent(event.type, event.data)) screen.apply(change);
  updateTimes(document, now);
  screen.updateLists();
}

Object.assign(window, { applyEvent });
