// Whatever happens to the leader, exactly one tab has the stream.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { cursorAt, FakeBrowser } from "./fake_browser";
import { ticketCreatedEvent } from "./sample_events";

let browser: FakeBrowser;

beforeEach(() => {
  browser = new FakeBrowser();
});

test("when the leader closes, another tab continues from its cursor", () => {
  const [first, second] = browser.openTwo();
  const third = browser.open("c", cursorAt(10));
  browser.emitEvents(11);

  first.stop();
  assert.equal(browser.environment.newest.url, `/api/events?after=${cursorAt(11)}`);
  assert.equal(browser.environment.openSources.length, 1);
  browser.connect(11, "resumed");
  browser.emitEvents(12);

  assert.equal(second.stream.isLeader, true);
  assert.deepEqual(
    [second.eventIds, third.eventIds],
    [
      [cursorAt(11), cursorAt(12)],
      [cursorAt(11), cursorAt(12)],
    ],
  );
  assert.deepEqual(first.eventIds, [cursorAt(11)]);
});

test("a leader that crashes halfway through a broadcast leaves no gap and no duplicate", () => {
  const [first, second] = browser.openTwo();
  const third = browser.open("c", cursorAt(10));
  browser.isDelivered = (to, post) => !(to === second && post.kind === "frame");
  browser.emitEvents(11);
  browser.isDelivered = (to, post) => to !== first && (post.kind === "bye" ? false : true);

  first.stop();
  browser.connect(10, "resumed");
  browser.emitEvents(11, 12);

  assert.equal(second.stream.isLeader, true);
  assert.deepEqual(second.eventIds, [cursorAt(11), cursorAt(12)]);
  assert.deepEqual(third.eventIds, [cursorAt(11), cursorAt(12)]);
});

test("a tab opened after the leader changed still receives earlier events", () => {
  const [first] = browser.openTwo();
  browser.emitEvents(11);
  first.stop();
  browser.connect(11, "resumed");

  const late = browser.open("c", cursorAt(10));

  assert.deepEqual(late.eventIds, [cursorAt(11)]);
});

test("a frozen leader is replaced within 20 s, and follows when it thaws", () => {
  const [first, second] = browser.openTwo();
  browser.emitEvents(11);
  first.isFrozen = true;

  browser.clock.advance(20_000);
  browser.connect(11, "resumed");
  browser.emitEvents(12);

  assert.equal(second.stream.isLeader, true);
  assert.deepEqual(second.eventIds, [cursorAt(11), cursorAt(12)]);
  first.thaw();
  assert.equal(first.stream.isLeader, false);
  assert.equal(browser.environment.openSources.length, 1);
  assert.deepEqual(first.eventIds, [cursorAt(11), cursorAt(12)]);
  assert.equal(first.stream.state, "live");
});

test("focusing a tab whose leader is frozen does not wait for the silence timeout", () => {
  const [first, second] = browser.openTwo();
  first.isFrozen = true;

  second.focus();
  browser.clock.advance(8_000);

  assert.equal(second.stream.isLeader, true);
});

test("messages of a replaced leader are refused", () => {
  const [first, second] = browser.openTwo();
  const old = browser.environment.newest;
  first.isFrozen = true;
  browser.clock.advance(20_000);
  browser.connect(10, "resumed");
  first.isFrozen = false; // messages to it are still queued; a frame of its stream comes first

  browser.runTurn(() => old.emit("message", cursorAt(11), ticketCreatedEvent()));

  assert.deepEqual(second.eventIds, []);
  browser.emitEvents(11);
  assert.deepEqual(second.eventIds, [cursorAt(11)]);
});

test("a leader that learns it was replaced steps down", () => {
  const [first, second] = browser.openTwo();
  const third = browser.open("c", cursorAt(10));
  first.isFrozen = true;
  browser.clock.advance(20_000);
  browser.connect(10, "resumed");
  const leader = [second, third].find(({ stream: tabs }) => tabs.isLeader);
  const follower = leader === second ? third : second;
  first.isFrozen = false; // messages to it are still queued; a follower's hello comes first

  follower.focus();
  first.thaw();
  browser.emitEvents(11);

  assert.equal(leader?.stream.isLeader, true);
  assert.equal(browser.environment.openSources.length, 1);
  for (const tab of [first, second, third]) assert.deepEqual(tab.eventIds, [cursorAt(11)]);
});

test("of several followers only one takes over", () => {
  const first = browser.open("a", cursorAt(10));
  for (const name of ["b", "c", "d"]) browser.open(name, cursorAt(10));
  browser.connect(10, "resumed");
  first.isFrozen = true;

  browser.clock.advance(30_000);

  assert.equal(browser.environment.openSources.length, 2); // the frozen tab's own is still open
  assert.equal(browser.tabs.filter(({ stream: tabs }) => tabs.isLeader).length, 2);
});

test("a leader that answers is not replaced, however quiet the server is", () => {
  const [first] = browser.openTwo();
  for (let beat = 0; beat < 20; beat += 1) {
    browser.clock.advance(27_000);
    browser.tick(cursorAt(10));
  }

  assert.equal(first.stream.isLeader, true);
  assert.equal(browser.environment.sources.length, 1);
});

test("a follower that was itself suspended sends hello before it takes over", () => {
  const [first, second] = browser.openTwo();
  second.isFrozen = true;
  browser.clock.advance(3_600_000 - 1_000);
  browser.tick(cursorAt(10));
  browser.clock.advance(1_000);

  second.thaw();
  browser.clock.advance(10_000);

  assert.equal(first.stream.isLeader, true);
});

test("visible followers wake a leader whose timers are throttled", () => {
  const [first] = browser.openTwo();
  const after = browser.clock.after.bind(browser.clock);
  browser.clock.after = (ms, act) => after(ms < 2_000 ? ms + 60_000 : ms, act); // the retry
  browser.fail();

  browser.clock.advance(4_000);

  assert.equal(first.stream.isLeader, true);
  assert.equal(browser.environment.sources.length, 2);
});

test("focusing any tab wakes the stream", () => {
  const [, second] = browser.openTwo();
  browser.emit("goodbye", "", { reason: "too-many-streams" });
  assert.equal(second.stream.state, "parked");

  second.focus();

  assert.equal(browser.environment.sources.length, 2);
});

test("a tab frozen by the browser catches up when it thaws", () => {
  const [, second] = browser.openTwo();
  second.stop();
  browser.emitEvents(11);

  second.start();
  browser.emitEvents(12);

  assert.deepEqual(second.eventIds, [cursorAt(11), cursorAt(12)]);
});

test("a leader that leaves and comes back follows", () => {
  const [first, second] = browser.openTwo();
  first.stop();
  browser.connect(10, "resumed");

  first.start();
  browser.emitEvents(11);

  assert.equal(second.stream.isLeader, true);
  assert.deepEqual([first.eventIds, second.eventIds], [[cursorAt(11)], [cursorAt(11)]]);
});

test("a leader whose clock was set back is still accepted", () => {
  const [first, second] = browser.openTwo();
  browser.clock.time -= 3_600_000;

  first.stop();
  browser.connect(10, "resumed");
  const third = browser.open("c", cursorAt(10));
  browser.emitEvents(11);

  assert.deepEqual([second.eventIds, third.eventIds], [[cursorAt(11)], [cursorAt(11)]]);
});

test("a leader unaware of an earlier term is accepted once it has learned of it", () => {
  const [first, second] = browser.openTwo();
  browser.clock.time -= 3_600_000;
  browser.isDelivered = () => false;
  const stranger = browser.open("z", cursorAt(10));
  second.stop();
  first.stop();
  browser.connect(10, "resumed");
  assert.equal(stranger.stream.isLeader, true);
  browser.isDelivered = () => true;

  second.start();
  browser.emitEvents(11);

  assert.deepEqual(second.eventIds, [cursorAt(11)]);
});

test("if the browser refuses locks, each tab opens a stream", () => {
  browser.locks.isRefused = true;

  const first = browser.open("a", cursorAt(10));
  browser.connect(10, "resumed");
  const second = browser.open("b", cursorAt(10));
  browser.connect(10, "resumed");
  browser.emitEvents(11);

  assert.equal(browser.environment.openSources.length, 2);
  assert.deepEqual([first.eventIds, second.eventIds], [[], [cursorAt(11)]]);
  assert.deepEqual(second.listener.shownToasts, [cursorAt(11)]);
});
