// When a day turns, by a clock that the test drives.

import assert from "node:assert/strict";
import { test } from "node:test";
import { everyMidnight, nextMidnight, utcDay } from "../src/ui/midnight";
import { dayOf, setZone } from "../src/ui/times";
import { FakeClock } from "./fakes";

const own = (at: number): string => dayOf(new Date(at));
const at = (text: string): number => new Date(text).getTime();

test("the reader's day ends at their midnight, also where a clock is changed that night", () => {
  setZone("Europe/Oslo");
  assert.equal(nextMidnight(at("2026-11-27T12:00:00Z"), own), at("2026-11-27T23:00:00Z"));
  assert.equal(nextMidnight(at("2026-10-24T22:30:00Z"), own), at("2026-10-25T23:00:00Z")); // 25 h
  setZone("Africa/Cairo"); // where 00:00 is 01:00, in spring
  assert.equal(nextMidnight(at("2026-04-23T12:00:00Z"), own), at("2026-04-23T22:00:00Z"));
  assert.equal(nextMidnight(at("2026-11-27T23:59:59.999Z"), utcDay), at("2026-11-28T00:00:00Z"));
  setZone(null);
});

test("it is acted upon at midnight, every night, and once for a night that was slept through", () => {
  setZone("Asia/Kathmandu"); // 5:45 ahead
  const clock = new FakeClock();
  clock.time = at("2026-11-27T18:14:30Z");
  const acted: string[] = [];
  const cancel = everyMidnight(clock, own, () => acted.push(new Date(clock.now()).toISOString()));

  clock.pass(29_999);
  assert.deepEqual(acted, []);
  clock.pass(1);
  clock.pass(24 * 3_600_000);
  assert.deepEqual(acted, ["2026-11-27T18:15:00.000Z", "2026-11-28T18:15:00.000Z"]);
  clock.sleep(50 * 3_600_000);
  assert.equal(acted.length, 3);
  cancel();
  clock.pass(48 * 3_600_000);

  assert.equal(acted.length, 3);
  setZone(null);
});
