// Stacking the layers of a chart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDay, stackLayers } from "../src/model/chart_data";

test("a chart stacks the statuses", () => {
  const table = {
    statuses: ["new", "active"],
    days: [0, 1, 2],
    counts: [
      [1, 2, 2],
      [0, 3, 0],
    ],
  };

  const { xs, areas, edges } = stackLayers(table);

  assert.deepEqual(xs, [0, 86_400, 172_800]);
  assert.deepEqual(areas, [
    [1, 2, 2],
    [1, 5, 2],
  ]);
  assert.deepEqual(edges, [
    [1, 2, 2],
    [1, 5, null],
  ]);
  assert.equal(formatDay(20_784), "27 Nov");
});
