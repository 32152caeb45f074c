// Reconnection delays.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fullJitter } from "../src/stream/backoff";

test("backoff is full jitter up to a maximum", () => {
  assert.equal(fullJitter(0, 0), 0);
  assert.equal(fullJitter(0, 1), 500);
  assert.equal(fullJitter(3, 0.5), 2_000);
  assert.equal(fullJitter(1_000, 1), 30_000);
});
