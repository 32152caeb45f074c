// Finding midnight, and calling back at it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { everyMidnight, nextMidnight, utcDay } from "../src/ui/midnight";
import { localDay, setTimeZone } from "../src/ui/times";
import { FakeClock } from "./fakes";

const readerDay = (at: number): string => localDay(new Date(at));
const timestampOf = (text: string): number => new Date(text).getTime();

test("the reader's day ends at their midnight, also when the clocks change that night", () => {
  setTimeZone("Europe/Oslo");
  assert.equal(
    nextMidnight(timestampOf("2026-11-27T12:00:00Z"), readerDay),
    timestampOf("2026-11-27T23:00:00Z"),
  );
  assert.equal(
    nextMidnight(timestampOf("2026-10-24T22:30:00Z"), readerDay),
    timestampOf("2026-10-25T23:00:00Z"),
  ); // 25 h
  setTimeZone("Africa/Cairo"); // where 00:00 is 01:00, in spring
  assert.equal(
    nextMidnight(timestampOf("2026-04-23T12:00:00Z"), readerDay),
    timestampOf("2026-04-23T22:00:00Z"),
  );
  assert.equal(
    nextMidnight(timestampOf("2026-11-27T23:59:59.999Z"), utcDay),
    timestampOf("2026-11-28T00:00:00Z"),
  );
  setTimeZone(null);
});

test("the callback runs every midnight, and once for a night slept through", () => {
  setTimeZone("Asia/Kathmandu"); // 5:45 ahead
  const clock = new FakeClock();
  clock.time = timestampOf("2026-11-27T18:14:30Z");
  const acted: string[] = [];
  const cancel = everyMidnight(clock, readerDay, () =>
    acted.push(new Date(clock.now()).toISOString()),
  );

  clock.advance(29_999);
  assert.deepEqual(acted, []);
  clock.advance(1);
  clock.advance(24 * 3_600_000);
  assert.deepEqual(acted, ["2026-11-27T18:15:00.000Z", "2026-11-28T18:15:00.000Z"]);
  clock.sleep(50 * 3_600_000);
  assert.equal(acted.length, 3);
  cancel();
  clock.advance(48 * 3_600_000);

  assert.equal(acted.length, 3);
  setTimeZone(null);
});
