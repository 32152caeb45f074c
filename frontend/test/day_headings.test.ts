// Names of days in a list.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDayHeading } from "../src/ui/day_headings";

test("recent days are named and others written as dates", () => {
  assert.equal(formatDayHeading("2026-11-27", "2026-11-27"), "Today");
  assert.equal(formatDayHeading("2026-02-28", "2026-03-01"), "Yesterday");
  assert.equal(formatDayHeading("2026-11-25", "2026-11-27"), "Wednesday 25 November");
  assert.equal(formatDayHeading("2025-12-30", "2026-01-01"), "Tuesday 30 December 2025");
});
