// The text of the connection indicator.

import assert from "node:assert/strict";
import { test } from "node:test";
import { freshnessOf, indicatorText } from "../src/ui/indicator";

test("the indicator shows the state of the stream and the age of the page", () => {
  assert.equal(indicatorText("live", 1_000, 4_200), "Live · updated 3 s ago");
  assert.equal(indicatorText("reconnecting", 0, 125_000), "Reconnecting… data is 2 min old");
  assert.equal(freshnessOf("live", true), "stale");
  assert.equal(freshnessOf("reconnecting", true), "reconnecting");
  assert.equal(freshnessOf("parked", true), "parked");
  assert.match(
    indicatorText("parked", 0, 5_000),
    /^Paused: too many tabs are open; return to this tab/,
  );
  assert.match(
    indicatorText("restarting", 0, 5_000),
    /^Server restarting, reconnecting… data is 5 s/,
  );
});
