// The buffer of recent events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentEvents } from "../src/model/recent_events";

test("a response is updated with events received since its request", () => {
  const recent = new RecentEvents<string>();
  recent.add("before", 10);
  recent.add("during", 20);

  assert.deepEqual(recent.since(20), ["during"]);
});

test("only a bounded number of events is kept", () => {
  const recent = new RecentEvents<number>();
  for (let index = 0; index < 1_000; index += 1) recent.add(index, index);

  assert.equal(recent.since(0).length, 300);
});

test("events that are no longer visible are removed", () => {
  const recent = new RecentEvents<string>();
  recent.add("lost", 10);
  recent.add("held", 20);

  recent.retain((entry) => entry === "held");

  assert.deepEqual(recent.since(0), ["held"]);
});
