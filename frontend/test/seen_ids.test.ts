// Recognizing duplicate ids.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SeenIds } from "../src/model/seen_ids";

test("an event is new once, however often it arrives", () => {
  const seen = new SeenIds(2);

  assert.deepEqual(
    ["e-1", "e-1", "e-2"].map((id) => seen.addIfNew(id)),
    [true, false, true],
  );
  assert.deepEqual(
    ["", ""].map((id) => seen.addIfNew(id)),
    [true, true],
  );
});

test("seen ids are eventually forgotten", () => {
  const seen = new SeenIds(2);
  ["e-1", "e-2", "e-3"].forEach((id) => seen.addIfNew(id));

  assert.equal(seen.addIfNew("e-1"), true);
  assert.equal(seen.addIfNew("e-3"), false);
});
