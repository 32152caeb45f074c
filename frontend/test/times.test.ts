// Relative times, durations and days in a time zone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAgo, formatDuration, localDay, setTimeZone } from "../src/ui/times";

test("times are written relative to now", () => {
  const at = new Date(2026, 10, 22, 10, 0);
  const after = (ms: number): string => formatAgo(at, at.getTime() + ms);

  assert.equal(after(-5_000), "just now");
  assert.equal(after(59_000), "just now");
  assert.equal(after(5 * 60_000), "5 min ago");
  assert.equal(after(3 * 3_600_000), "3 h ago");
  assert.equal(after(2 * 86_400_000), "2 d ago");
  assert.match(after(8 * 86_400_000), /22/);
  assert.deepEqual([3_400, 130_000, 7_200_000, -9].map(formatDuration), [
    "3 s",
    "2 min",
    "2 h",
    "0 s",
  ]);
});

test("days follow the time zone chosen by the reader", () => {
  const late = new Date("2026-11-22T22:30:00Z");

  setTimeZone("Asia/Tokyo");
  assert.equal(localDay(late), "2026-11-23");
  setTimeZone("America/Lima");
  assert.equal(localDay(late), "2026-11-22");
  setTimeZone("Nowhere/At_all");
  assert.match(localDay(late), /^2026-11-2[23]$/);
  setTimeZone(null);
});
