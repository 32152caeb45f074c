// Pairing old children with new ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { matchChildren } from "../src/ui/morph";

test("children are matched by key, then by kind", () => {
  const key = (name: string): string | null => (name.startsWith("#") ? name : null);
  const kind = (name: string): string => name.slice(0, 1);

  assert.deepEqual(
    matchChildren(["#a", "p1", "#b", "p2"], ["#b", "p3", "#c", "p4", "p5"], key, kind),
    ["#b", "p1", null, "p2", null],
  );
});
