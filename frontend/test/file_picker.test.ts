// File sizes as people read them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSize } from "../src/forms/file_picker";

test("file sizes are formatted as the server formats them", () => {
  assert.deepEqual([7, 1400, 1_400_000].map(formatSize), ["7 bytes", "1.4 kB", "1.4 MB"]);
});
