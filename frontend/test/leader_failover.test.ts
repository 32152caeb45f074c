// Whatever becomes of the tab that leads, one of them has the stream, and only one.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { at, Browser } from "./fake_browser";
import { envelope } from "./sample_events";

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
});

test("when the leader closes, another goes on from where it was", () => {
  const [first, second] = browser.two();
  const third = browser.open("c", at(10));
  browser.happen(11);

  first.stop();
  assert.equal(browser.outside.newest.url, `/api/events?after=${at(11)}`);
  assert.equal(browser.outside.openOnes.length, 1);
  browser.connect(11, "resumed");
  browser.happen(12);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual([second.ids, third.ids], [[at(11), at(12)], [at(11), at(12)]]);
  assert.deepEqual(first.ids, [at(11)]);
});

test("a leader that crashes between two tabs leaves neither with a gap or a double", () => {
  const [first, second] = browser.two();
  const third = browser.open("c", at(10));
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  browser.happen(11);
  browser.isCarried = (to, post) => to !== first && (post.kind === "bye" ? false : true);

  first.stop();
  browser.connect(10, "resumed");
  browser.happen(11, 12);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual(second.ids, [at(11), at(12)]);
  assert.deepEqual(third.ids, [at(11), at(12)]);
});

test("a tab opened after the leader changed still gets what came before", () => {
  const [first] = browser.two();
  browser.happen(11);
  first.stop();
  browser.connect(11, "resumed");

  const late = browser.open("c", at(10));

  assert.deepEqual(late.ids, [at(11)]);
});

test("a frozen leader is replaced within 20 s, and follows when it thaws", () => {
  const [first, second] = browser.two();
  browser.happen(11);
  first.isFrozen = true;

  browser.clock.pass(20_000);
  browser.connect(11, "resumed");
  browser.happen(12);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual(second.ids, [at(11), at(12)]);
  first.thaw();
  assert.equal(first.tabs.isLeader, false);
  assert.equal(browser.outside.openOnes.length, 1);
  assert.deepEqual(first.ids, [at(11), at(12)]);
  assert.equal(first.tabs.state, "live");
});

test("a look at a tab whose leader is frozen does not wait for silence to grow long", () => {
  const [first, second] = browser.two();
  first.isFrozen = true;

  second.wake();
  browser.clock.pass(8_000);

  assert.equal(second.tabs.isLeader, true);
});

test("words of a leader that was replaced are refused", () => {
  const [first, second] = browser.two();
  const old = browser.outside.newest;
  first.isFrozen = true;
  browser.clock.pass(20_000);
  browser.connect(10, "resumed");
  first.isFrozen = false; // what it was sent is not heard yet; its stream speaks first

  browser.turn(() => old.say("message", at(11), envelope()));

  assert.deepEqual(second.ids, []);
  browser.happen(11);
  assert.deepEqual(second.ids, [at(11)]);
});

test("a leader that learns from a follower that it was replaced does not lead it back", () => {
  const [first, second] = browser.two();
  const third = browser.open("c", at(10));
  first.isFrozen = true;
  browser.clock.pass(20_000);
  browser.connect(10, "resumed");
  const leader = [second, third].find(({ tabs }) => tabs.isLeader);
  const follower = leader === second ? third : second;
  first.isFrozen = false; // what it was sent is not heard yet; a follower's word comes first

  follower.wake();
  first.thaw();
  browser.happen(11);

  assert.equal(leader?.tabs.isLeader, true);
  assert.equal(browser.outside.openOnes.length, 1);
  for (const tab of [first, second, third]) assert.deepEqual(tab.ids, [at(11)]);
});

test("of several followers only one takes over", () => {
  const first = browser.open("a", at(10));
  for (const name of ["b", "c", "d"]) browser.open(name, at(10));
  browser.connect(10, "resumed");
  first.isFrozen = true;

  browser.clock.pass(30_000);

  assert.equal(browser.outside.openOnes.length, 2); // the frozen tab's own is still open
  assert.equal(browser.tabs.filter(({ tabs }) => tabs.isLeader).length, 2);
});

test("a leader that answers is left alone, however quiet the server is", () => {
  const [first] = browser.two();
  for (let beat = 0; beat < 20; beat += 1) {
    browser.clock.pass(27_000);
    browser.tick(at(10));
  }

  assert.equal(first.tabs.isLeader, true);
  assert.equal(browser.outside.sources.length, 1);
});

test("a follower that stood still itself asks before it judges", () => {
  const [first, second] = browser.two();
  second.isFrozen = true;
  browser.clock.pass(3_600_000 - 1_000);
  browser.tick(at(10));
  browser.clock.pass(1_000);

  second.thaw();
  browser.clock.pass(10_000);

  assert.equal(first.tabs.isLeader, true);
});

test("followers that are looked at keep the time for a leader whose timers come late", () => {
  const [first] = browser.two();
  const after = browser.clock.after.bind(browser.clock);
  browser.clock.after = (ms, act) => after(ms < 2_000 ? ms + 60_000 : ms, act); // the retry
  browser.fail();

  browser.clock.pass(4_000);

  assert.equal(first.tabs.isLeader, true);
  assert.equal(browser.outside.sources.length, 2);
});

test("a look at any tab wakes the stream", () => {
  const [, second] = browser.two();
  browser.say("goodbye", "", { reason: "too-many-streams" });
  assert.equal(second.tabs.state, "parked");

  second.wake();

  assert.equal(browser.outside.sources.length, 2);
});

test("a tab that comes back from being frozen properly catches up", () => {
  const [, second] = browser.two();
  second.stop();
  browser.happen(11);

  second.start();
  browser.happen(12);

  assert.deepEqual(second.ids, [at(11), at(12)]);
});

test("a leader that leaves and comes back follows", () => {
  const [first, second] = browser.two();
  first.stop();
  browser.connect(10, "resumed");

  first.start();
  browser.happen(11);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual([first.ids, second.ids], [[at(11)], [at(11)]]);
});

test("a leader whose clock was set back is heard all the same", () => {
  const [first, second] = browser.two();
  browser.clock.time -= 3_600_000;

  first.stop();
  browser.connect(10, "resumed");
  const third = browser.open("c", at(10));
  browser.happen(11);

  assert.deepEqual([second.ids, third.ids], [[at(11)], [at(11)]]);
});

test("a leader that never heard of an earlier one is heard once it has", () => {
  const [first, second] = browser.two();
  browser.clock.time -= 3_600_000;
  browser.isCarried = () => false;
  const stranger = browser.open("z", at(10));
  second.stop();
  first.stop();
  browser.connect(10, "resumed");
  assert.equal(stranger.tabs.isLeader, true);
  browser.isCarried = () => true;

  second.start();
  browser.happen(11);

  assert.deepEqual(second.ids, [at(11)]);
});

test("where the browser refuses its locks each tab has a stream", () => {
  browser.locks.isRefused = true;

  const first = browser.open("a", at(10));
  browser.connect(10, "resumed");
  const second = browser.open("b", at(10));
  browser.connect(10, "resumed");
  browser.happen(11);

  assert.equal(browser.outside.openOnes.length, 2);
  assert.deepEqual([first.ids, second.ids], [[], [at(11)]]);
  assert.deepEqual(second.ear.told, [at(11)]);
});
