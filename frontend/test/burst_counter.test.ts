// Grouping bursts of toasts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BurstCounter } from "../src/model/burst_counter";
import { GUILD } from "./sample_events";

test("more than three events of one burst become one", () => {
  const bursts = new BurstCounter();
  const kind = `ticket.message_sent ${GUILD}`;

  const shown = [0, 300, 600, 900, 1_200].map((at) => bursts.add(kind, at));

  assert.deepEqual(
    shown.map(({ isGrouped }) => isGrouped),
    [false, false, false, true, true],
  );
  assert.equal(shown[4]?.count, 5);
});

test("events after a pause are a new burst, and kinds are counted separately", () => {
  const bursts = new BurstCounter();
  [0, 1, 2, 3].forEach((at) => bursts.add("a", at));

  assert.equal(bursts.add("b", 4).count, 1);
  assert.equal(bursts.add("a", 1_100).count, 1);
});
