// Comparing cursors and building the URL of a stream.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isAtOrBefore, streamUrl } from "../src/stream/cursor";

test("cursors are compared within one epoch only", () => {
  assert.equal(isAtOrBefore("aaaaaaaa-9", "aaaaaaaa-10"), true);
  assert.equal(isAtOrBefore("aaaaaaaa-10", "aaaaaaaa-10"), true);
  assert.equal(isAtOrBefore("aaaaaaaa-11", "aaaaaaaa-10"), false);
  assert.equal(isAtOrBefore("bbbbbbbb-1", "aaaaaaaa-10"), null);
  assert.equal(isAtOrBefore("nonsense", "aaaaaaaa-10"), null);
});

test("a missing cursor is not sent", () => {
  assert.equal(streamUrl("/api/events", null), "/api/events");
  assert.equal(streamUrl("/api/events", ""), "/api/events");
});

test("the cursor is appended to an existing query", () => {
  assert.equal(streamUrl("/api/events?x=1", "aaaaaaaa-1"), "/api/events?x=1&after=aaaaaaaa-1");
});
