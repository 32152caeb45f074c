// Tabs of one session share one stream, and none misses or doubles what another heard.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { at, Browser } from "./fake_browser";

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
});

test("ten tabs open one stream, and each hears every event once", () => {
  const tabs = Array.from({ length: 10 }, (_, n) => browser.open(`t${n}`, at(10)));
  browser.connect(10, "resumed");

  browser.happen(11, 12);

  assert.equal(browser.outside.sources.length, 1);
  for (const tab of tabs) {
    assert.deepEqual(tab.ids, [at(11), at(12)]);
    assert.equal(tab.tabs.state, "live");
  }
});

test("each tab says whether it leads or follows", () => {
  const [first, second] = browser.two();

  assert.deepEqual(first.lines, ["leads: this tab's stream serves every tab"]);
  assert.deepEqual(second.lines, ["follows: another tab's stream serves this one"]);
});

test("a tab rendered before the newest events is handed them, once", () => {
  browser.open("a", at(10));
  browser.connect(10, "resumed");
  browser.happen(11, 12, 13);

  const late = browser.open("b", at(11));
  browser.happen(14);

  assert.deepEqual(late.ids, [at(12), at(13), at(14)]);
  assert.deepEqual(late.verdicts, ["resumed"]);
});

test("a tab rendered after what the leader has heard does not hear it again", () => {
  browser.open("a", at(10));
  browser.connect(10, "resumed");
  const ahead = browser.open("b", at(12));

  browser.happen(11, 12, 13);

  assert.deepEqual(ahead.ids, [at(13)]);
  assert.deepEqual(ahead.verdicts, ["resumed"]);
});

test("a tab older than what the leader remembers reloads instead", () => {
  browser.open("a", at(100));
  browser.connect(100, "resumed");

  const old = browser.open("b", at(50));
  browser.happen(101);

  assert.deepEqual(old.verdicts, ["reset"]);
  assert.deepEqual(old.ids, [at(101)]);
});

test("a leader remembers a bounded number of events", () => {
  browser.open("a", at(10));
  browser.connect(10, "resumed");
  browser.happen(...Array.from({ length: 301 }, (_, n) => 11 + n));

  assert.deepEqual(browser.open("b", at(10)).verdicts, ["reset"]);
  assert.equal(browser.open("c", at(11)).ids.length, 300);
});

test("a tab of another epoch reloads instead", () => {
  browser.open("a", at(100));
  browser.connect(100, "resumed");

  assert.deepEqual(browser.open("b", "bbbbbbbb-100").verdicts, ["reset"]);
});

test("what was revoked is not handed to a tab opened later", () => {
  browser.open("a", at(10));
  browser.connect(10, "resumed", ["guild:1", "user:a"]);
  browser.happen(11);
  browser.say("revoked", "", { channels: ["guild:1"] });

  const late = browser.open("b", at(10));

  assert.deepEqual(late.ids, []);
  const first = late.ear.frames[0];
  assert.deepEqual(first?.name === "connected" && first.told.channels, ["user:a"]);
});

test("what was granted makes an older tab reload, for nobody heard it before", () => {
  browser.open("a", at(10));
  browser.connect(10, "resumed", ["user:a"]);
  browser.happen(12);
  browser.say("granted", "", { channels: ["guild:1"] });

  assert.deepEqual(browser.open("b", at(10)).verdicts, ["reset"]);
  assert.deepEqual(browser.open("c", at(12)).verdicts, ["resumed"]);
});

test("a reset reaches every tab", () => {
  const [, second] = browser.two();
  browser.fail();
  browser.clock.pass(500);

  browser.connect(5000, "reset");

  assert.deepEqual(second.verdicts, ["resumed", "reset"]);
});

test("a reconnect that lost nothing goes on in every tab", () => {
  const [first, second] = browser.two();
  browser.happen(11);
  browser.fail();
  assert.deepEqual([first.tabs.state, second.tabs.state], ["reconnecting", "reconnecting"]);
  browser.clock.pass(500);

  browser.connect(11, "resumed");
  browser.happen(12);

  assert.deepEqual([first.tabs.state, second.tabs.state], ["live", "live"]);
  assert.deepEqual(second.ids, [at(11), at(12)]);
});

test("a follower that missed broadcasts notices with the next, and is handed them", () => {
  const [, second] = browser.two();
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  browser.happen(11, 12);
  browser.isCarried = () => true;

  browser.happen(13);

  assert.deepEqual(second.ids, [at(11), at(12), at(13)]);
  assert.ok(second.lines.includes("missed something: asks the tab that leads"));
});

test("a follower that missed the last broadcast notices without another", () => {
  const [, second] = browser.two();
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  browser.happen(11);
  browser.isCarried = () => true;

  second.wake();

  assert.deepEqual(second.ids, [at(11)]);
});

test("a follower that missed what was revoked is told what is held now", () => {
  const [, second] = browser.two();
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  browser.say("revoked", "", { channels: ["guild:1"] });
  browser.isCarried = () => true;

  second.wake();

  assert.deepEqual(second.verdicts, ["resumed", "resumed"]);
});

test("what a follower is shown is what the leader sees of its stream", () => {
  const [first, second] = browser.two();

  browser.say("goodbye", "", { reason: "restart", retry: 900 });
  assert.deepEqual([first.tabs.state, second.tabs.state], ["restarting", "restarting"]);
  browser.clock.pass(900);
  assert.equal(second.tabs.state, "reconnecting");
  browser.connect(10, "resumed");

  assert.deepEqual([first.tabs.state, second.tabs.state], ["live", "live"]);
});

test("a tab that was live does not go back to the words of the beginning", () => {
  const [first, second] = browser.two();

  first.stop();

  assert.equal(second.ear.state, "reconnecting");
});

test("signing out reaches every tab, and none comes back", () => {
  const [first, second] = browser.two();

  browser.say("goodbye", "", { reason: "signed-out" });

  assert.deepEqual([first.ear.state, second.ear.state], ["signed-out", "signed-out"]);
  assert.ok(second.ear.names.includes("goodbye"));
  browser.clock.pass(120_000);
  assert.deepEqual(browser.outside.openOnes, []);
});

test("frames of somebody else's stream are refused in every tab", () => {
  const [first, second] = browser.two();
  browser.outside.isOwn = false;
  browser.fail();
  browser.clock.pass(500);

  browser.connect(20, "resumed", ["user:eve"]);
  browser.happen(21);

  for (const tab of [first, second]) {
    assert.deepEqual(tab.ids, []);
    assert.equal(tab.ear.state, "signed-out");
  }
});
