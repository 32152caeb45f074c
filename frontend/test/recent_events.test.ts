// The buffer of recent events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RecentEvents } from "../src/model/recent_events";

test("an answer is mended with what came after it was asked for", () => {
  const journal = new RecentEvents<string>();
  journal.add("before", 10);
  journal.add("during", 20);

  assert.deepEqual(journal.since(20), ["during"]);
});

test("the journal forgets", () => {
  const journal = new RecentEvents<number>();
  for (let index = 0; index < 1_000; index += 1) journal.add(index, index);

  assert.equal(journal.since(0).length, 300);
});

test("what may no longer be seen leaves the journal", () => {
  const journal = new RecentEvents<string>();
  journal.add("lost", 10);
  journal.add("held", 20);

  journal.retain((entry) => entry === "held");

  assert.deepEqual(journal.since(0), ["held"]);
});
