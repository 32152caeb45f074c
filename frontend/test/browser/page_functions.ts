// Expose the store's own code to browser tests: apply an event to a page, and morph an element.

import { type Clock, realClock } from "../../src/clock";
import type { Envelope } from "../../src/generated/events";
import { reduceEvent } from "../../src/model/reducers";
import { DomRenderer } from "../../src/ui/dom";
import { morph } from "../../src/ui/morph";
import { updateTimes } from "../../src/ui/times";

/** Apply `event` at the time `now` (ms since 1970), and update every time on the page. */
function applyEvent(event: Envelope, now: number): void {
  const clock: Clock = { ...realClock, now: () => now };
  const renderer = new DomRenderer(clock, (element) => {
    throw new Error(`no template for an entry of ${element.outerHTML}`);
  });
  for (const change of reduceEvent(event.type, event.data)) renderer.apply(change);
  updateTimes(document, now);
  renderer.updateLists();
}

/** Morph the element with the id of the root of `html` into it. */
function morphInto(html: string): void {
  const template = document.createElement("template");
  template.innerHTML = html;
  const to = template.content.firstElementChild as HTMLElement;
  const from = document.getElementById(to.id);
  if (from) morph(from, document.importNode(to, true));
}

Object.assign(window, { applyEvent, morphInto });
