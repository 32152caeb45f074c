// Tabs of one session share one stream, without gaps and duplicates.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { cursorAt, FakeBrowser } from "./fake_browser";

let browser: FakeBrowser;

beforeEach(() => {
  browser = new FakeBrowser();
});

test("ten tabs open one stream, and each receives every event once", () => {
  const tabs = Array.from({ length: 10 }, (_, n) => browser.open(`t${n}`, cursorAt(10)));
  browser.connect(10, "resumed");

  browser.emitEvents(11, 12);

  assert.equal(browser.environment.sources.length, 1);
  for (const tab of tabs) {
    assert.deepEqual(tab.eventIds, [cursorAt(11), cursorAt(12)]);
    assert.equal(tab.stream.state, "live");
  }
});

test("each tab says whether it leads or follows", () => {
  const [first, second] = browser.openTwo();

  assert.deepEqual(first.lines, ["leads: this tab's stream serves every tab"]);
  assert.deepEqual(second.lines, ["follows: another tab's stream serves this one"]);
});

test("a tab rendered before the newest events receives them, once", () => {
  browser.open("a", cursorAt(10));
  browser.connect(10, "resumed");
  browser.emitEvents(11, 12, 13);

  const late = browser.open("b", cursorAt(11));
  browser.emitEvents(14);

  assert.deepEqual(late.eventIds, [cursorAt(12), cursorAt(13), cursorAt(14)]);
  assert.deepEqual(late.outcomes, ["resumed"]);
});

test("a tab rendered after the leader's newest event does not receive it again", () => {
  browser.open("a", cursorAt(10));
  browser.connect(10, "resumed");
  const ahead = browser.open("b", cursorAt(12));

  browser.emitEvents(11, 12, 13);

  assert.deepEqual(ahead.eventIds, [cursorAt(13)]);
  assert.deepEqual(ahead.outcomes, ["resumed"]);
});

test("a tab older than the events kept by the leader reloads instead", () => {
  browser.open("a", cursorAt(100));
  browser.connect(100, "resumed");

  const old = browser.open("b", cursorAt(50));
  browser.emitEvents(101);

  assert.deepEqual(old.outcomes, ["reset"]);
  assert.deepEqual(old.eventIds, [cursorAt(101)]);
});

test("a leader keeps a bounded number of events", () => {
  browser.open("a", cursorAt(10));
  browser.connect(10, "resumed");
  browser.emitEvents(...Array.from({ length: 301 }, (_, n) => 11 + n));

  assert.deepEqual(browser.open("b", cursorAt(10)).outcomes, ["reset"]);
  assert.equal(browser.open("c", cursorAt(11)).eventIds.length, 300);
});

test("a tab of another epoch reloads instead", () => {
  browser.open("a", cursorAt(100));
  browser.connect(100, "resumed");

  assert.deepEqual(browser.open("b", "bbbbbbbb-100").outcomes, ["reset"]);
});

test("events of revoked channels are not sent to a tab opened later", () => {
  browser.open("a", cursorAt(10));
  browser.connect(10, "resumed", ["guild:1", "user:a"]);
  browser.emitEvents(11);
  browser.emit("revoked", "", { channels: ["guild:1"] });

  const late = browser.open("b", cursorAt(10));

  assert.deepEqual(late.eventIds, []);
  const first = late.listener.frames[0];
  assert.deepEqual(first?.name === "connected" && first.told.channels, ["user:a"]);
});

test("a new grant makes an older tab reload, because no tab has its events", () => {
  browser.open("a", cursorAt(10));
  browser.connect(10, "resumed", ["user:a"]);
  browser.emitEvents(12);
  browser.emit("granted", "", { channels: ["guild:1"] });

  assert.deepEqual(browser.open("b", cursorAt(10)).outcomes, ["reset"]);
  assert.deepEqual(browser.open("c", cursorAt(12)).outcomes, ["resumed"]);
});

test("a reset reaches every tab", () => {
  const [, second] = browser.openTwo();
  browser.fail();
  browser.clock.advance(500);

  browser.connect(5000, "reset");

  assert.deepEqual(second.outcomes, ["resumed", "reset"]);
});

test("a reconnect that lost nothing continues in every tab", () => {
  const [first, second] = browser.openTwo();
  browser.emitEvents(11);
  browser.fail();
  assert.deepEqual([first.stream.state, second.stream.state], ["reconnecting", "reconnecting"]);
  browser.clock.advance(500);

  browser.connect(11, "resumed");
  browser.emitEvents(12);

  assert.deepEqual([first.stream.state, second.stream.state], ["live", "live"]);
  assert.deepEqual(second.eventIds, [cursorAt(11), cursorAt(12)]);
});

test("a follower that missed broadcasts notices with the next, and receives them", () => {
  const [, second] = browser.openTwo();
  browser.isDelivered = (to, post) => !(to === second && post.kind === "frame");
  browser.emitEvents(11, 12);
  browser.isDelivered = () => true;

  browser.emitEvents(13);

  assert.deepEqual(second.eventIds, [cursorAt(11), cursorAt(12), cursorAt(13)]);
  assert.ok(second.lines.includes("missed something: asks the tab that leads"));
});

test("a follower that missed the last broadcast notices without a further one", () => {
  const [, second] = browser.openTwo();
  browser.isDelivered = (to, post) => !(to === second && post.kind === "frame");
  browser.emitEvents(11);
  browser.isDelivered = () => true;

  second.focus();

  assert.deepEqual(second.eventIds, [cursorAt(11)]);
});

test("a follower that missed a revocation learns the current channels", () => {
  const [, second] = browser.openTwo();
  browser.isDelivered = (to, post) => !(to === second && post.kind === "frame");
  browser.emit("revoked", "", { channels: ["guild:1"] });
  browser.isDelivered = () => true;

  second.focus();

  assert.deepEqual(second.outcomes, ["resumed", "resumed"]);
});

test("a follower shows the stream state of the leader", () => {
  const [first, second] = browser.openTwo();

  browser.emit("goodbye", "", { reason: "restart", retry: 900 });
  assert.deepEqual([first.stream.state, second.stream.state], ["restarting", "restarting"]);
  browser.clock.advance(900);
  assert.equal(second.stream.state, "reconnecting");
  browser.connect(10, "resumed");

  assert.deepEqual([first.stream.state, second.stream.state], ["live", "live"]);
});

test("a tab that was live never shows “Connecting…” again", () => {
  const [first, second] = browser.openTwo();

  first.stop();

  assert.equal(second.listener.state, "reconnecting");
});

test("signing out reaches every tab, and none reconnects", () => {
  const [first, second] = browser.openTwo();

  browser.emit("goodbye", "", { reason: "signed-out" });

  assert.deepEqual([first.listener.state, second.listener.state], ["signed-out", "signed-out"]);
  assert.ok(second.listener.names.includes("goodbye"));
  browser.clock.advance(120_000);
  assert.deepEqual(browser.environment.openSources, []);
});

test("frames of another person's stream are refused in every tab", () => {
  const [first, second] = browser.openTwo();
  browser.environment.isReaders = false;
  browser.fail();
  browser.clock.advance(500);

  browser.connect(20, "resumed", ["user:eve"]);
  browser.emitEvents(21);

  for (const tab of [first, second]) {
    assert.deepEqual(tab.eventIds, []);
    assert.equal(tab.listener.state, "signed-out");
  }
});
