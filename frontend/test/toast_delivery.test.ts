// A toast is told once, in the tab that is looked at.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { at, Browser } from "./fake_browser";
import { envelope } from "./sample_events";

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
});

test("a toast is told once, in the tab focused last", () => {
  const [first, second] = browser.two();

  browser.happen(11);
  first.wake();
  browser.happen(12);

  assert.deepEqual([first.ear.told, second.ear.told], [[at(12)], [at(11)]]);
});

test("a toast goes to a tab that is seen before one that is not", () => {
  const [first, second] = browser.two();
  second.rest();

  browser.happen(11);

  assert.deepEqual([first.ear.told, second.ear.told], [[at(11)], []]);
});

test("a toast nobody could see waits for the tab looked at next", () => {
  const [first, second] = browser.two();
  for (const tab of [first, second]) {
    tab.rest();
  }
  browser.happen(11);
  assert.deepEqual([first.ear.told, second.ear.told], [[], []]);

  second.wake();

  assert.deepEqual([first.ear.told, second.ear.told], [[], [at(11)]]);
});

test("a toast that waited too long is not told any more", () => {
  const [first, second] = browser.two();
  for (const tab of [first, second]) {
    tab.rest();
  }
  browser.happen(11);
  for (let minute = 0; minute < 10; minute += 1) {
    browser.clock.pass(20_000);
    browser.tick(at(11));
    browser.clock.pass(40_000);
    browser.tick(at(11));
  }
  first.wake();

  assert.deepEqual([first.ear.told, second.ear.told], [[], []]);
});

test("a toast that waits outlives the leader", () => {
  const [first, second] = browser.two();
  for (const tab of [first, second]) {
    tab.rest();
  }
  browser.happen(11);
  first.stop();

  second.wake();

  assert.deepEqual(second.ear.told, [at(11)]);
});

test("a toast that waits is forgotten when what it tells of is taken away", () => {
  const [first, second] = browser.two();
  for (const tab of [first, second]) {
    tab.rest();
    tab.ear.lost.add(at(11));
  }
  browser.happen(11);
  browser.say("revoked", "", { channels: ["guild:1"] });

  second.wake();

  assert.deepEqual(second.ear.told, []);
});

test("a toast that waits is forgotten with the organization of its request", () => {
  const [first, second] = browser.two();
  for (const tab of [first, second]) tab.rest();
  const of = (workspace: string) => ({ ...envelope(), data: { ...envelope().data, workspace } });
  browser.say("message", at(11), of("org:1"));
  browser.say("message", at(12), of("org:2"));
  browser.say("message", at(13), { type: "organization.deleted", data: { workspace: "org:1" } });

  second.wake();

  assert.deepEqual(second.ear.told, [at(12), at(13)]);
});

test("a toast for a tab that has crashed goes to another", () => {
  const [first, second] = browser.two();
  second.wake();
  second.isFrozen = true;

  browser.happen(11);
  browser.clock.pass(3_000);

  assert.deepEqual([first.ear.told, second.ear.told], [[at(11)], []]);
});

test("a toast that was told is not told again by the next leader", () => {
  const [first, second] = browser.two();
  const third = browser.open("c", at(10));
  second.wake();
  browser.happen(11);

  second.rest();
  first.stop();
  browser.connect(10, "resumed");
  browser.happen(11);

  assert.deepEqual([second.ear.told, third.ear.told], [[at(11)], []]);
});

test("a late tab is not told what others were told before it came", () => {
  browser.open("a", at(10), { isVisible: true, focusedAt: 1 });
  browser.connect(10, "resumed");
  browser.happen(11);

  const late = browser.open("b", at(10), { isVisible: true, focusedAt: 5 });

  assert.deepEqual(late.ids, [at(11)]);
  assert.deepEqual(late.ear.told, []);
});
