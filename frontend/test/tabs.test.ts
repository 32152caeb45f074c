// Tabs of one session share one stream, and none misses or doubles what another heard.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { Browser, type Tab } from "./browsers";
import { envelope } from "./samples";

let browser: Browser;

beforeEach(() => {
  browser = new Browser();
});

function at(position: number): string {
  return `aaaaaaaa-${position}`;
}

function connect(position: number, verdict = "live", channels: string[] = []): void {
  browser.turn(() => browser.outside.newest.connect(at(position), verdict, channels));
}

function happen(...positions: number[]): void {
  for (const position of positions) {
    say("message", at(position), envelope());
  }
}

function say(name: string, id: string, told: unknown): void {
  browser.turn(() => browser.outside.newest.say(name, id, told));
}

function tick(id: string): void {
  browser.turn(() => browser.outside.newest.tick(id));
}

function fail(): void {
  browser.turn(() => browser.outside.newest.fail());
}

/** Two tabs at 10, the first of which leads, live. */
function two(): [Tab, Tab] {
  const tabs: [Tab, Tab] = [browser.open("a", at(10)), browser.open("b", at(10))];
  connect(10, "resumed");
  return tabs;
}

test("ten tabs open one stream, and each hears every event once", () => {
  const tabs = Array.from({ length: 10 }, (_, n) => browser.open(`t${n}`, at(10)));
  connect(10, "resumed");

  happen(11, 12);

  assert.equal(browser.outside.sources.length, 1);
  for (const tab of tabs) {
    assert.deepEqual(tab.ids, [at(11), at(12)]);
    assert.equal(tab.tabs.state, "live");
  }
});

test("each tab says whether it leads or follows", () => {
  const [first, second] = two();

  assert.deepEqual(first.lines, ["leads: this tab's stream serves every tab"]);
  assert.deepEqual(second.lines, ["follows: another tab's stream serves this one"]);
});

test("a tab rendered before the newest events is handed them, once", () => {
  browser.open("a", at(10));
  connect(10, "resumed");
  happen(11, 12, 13);

  const late = browser.open("b", at(11));
  happen(14);

  assert.deepEqual(late.ids, [at(12), at(13), at(14)]);
  assert.deepEqual(late.verdicts, ["resumed"]);
});

test("a tab rendered after what the leader has heard does not hear it again", () => {
  browser.open("a", at(10));
  connect(10, "resumed");
  const ahead = browser.open("b", at(12));

  happen(11, 12, 13);

  assert.deepEqual(ahead.ids, [at(13)]);
  assert.deepEqual(ahead.verdicts, ["resumed"]);
});

test("a tab older than what the leader remembers reloads instead", () => {
  browser.open("a", at(100));
  connect(100, "resumed");

  const old = browser.open("b", at(50));
  happen(101);

  assert.deepEqual(old.verdicts, ["reset"]);
  assert.deepEqual(old.ids, [at(101)]);
});

test("a leader remembers a bounded number of events", () => {
  browser.open("a", at(10));
  connect(10, "resumed");
  happen(...Array.from({ length: 301 }, (_, n) => 11 + n));

  assert.deepEqual(browser.open("b", at(10)).verdicts, ["reset"]);
  assert.equal(browser.open("c", at(11)).ids.length, 300);
});

test("a tab of another epoch reloads instead", () => {
  browser.open("a", at(100));
  connect(100, "resumed");

  assert.deepEqual(browser.open("b", "bbbbbbbb-100").verdicts, ["reset"]);
});

test("what was revoked is not handed to a tab opened later", () => {
  browser.open("a", at(10));
  connect(10, "resumed", ["guild:1", "user:a"]);
  happen(11);
  say("revoked", "", { channels: ["guild:1"] });

  const late = browser.open("b", at(10));

  assert.deepEqual(late.ids, []);
  const first = late.ear.frames[0];
  assert.deepEqual(first?.name === "connected" && first.told.channels, ["user:a"]);
});

test("what was granted makes an older tab reload, for nobody heard it before", () => {
  browser.open("a", at(10));
  connect(10, "resumed", ["user:a"]);
  happen(12);
  say("granted", "", { channels: ["guild:1"] });

  assert.deepEqual(browser.open("b", at(10)).verdicts, ["reset"]);
  assert.deepEqual(browser.open("c", at(12)).verdicts, ["resumed"]);
});

test("when the leader closes, another goes on from where it was", () => {
  const [first, second] = two();
  const third = browser.open("c", at(10));
  happen(11);

  first.stop();
  assert.equal(browser.outside.newest.url, `/api/events?after=${at(11)}`);
  assert.equal(browser.outside.openOnes.length, 1);
  connect(11, "resumed");
  happen(12);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual([second.ids, third.ids], [[at(11), at(12)], [at(11), at(12)]]);
  assert.deepEqual(first.ids, [at(11)]);
});

test("a leader that crashes between two tabs leaves neither with a gap or a double", () => {
  const [first, second] = two();
  const third = browser.open("c", at(10));
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  happen(11);
  browser.isCarried = (to, post) => to !== first && (post.kind === "bye" ? false : true);

  first.stop();
  connect(10, "resumed");
  happen(11, 12);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual(second.ids, [at(11), at(12)]);
  assert.deepEqual(third.ids, [at(11), at(12)]);
});

test("a tab opened after the leader changed still gets what came before", () => {
  const [first] = two();
  happen(11);
  first.stop();
  connect(11, "resumed");

  const late = browser.open("c", at(10));

  assert.deepEqual(late.ids, [at(11)]);
});

test("a reset reaches every tab", () => {
  const [, second] = two();
  fail();
  browser.clock.pass(500);

  connect(5000, "reset");

  assert.deepEqual(second.verdicts, ["resumed", "reset"]);
});

test("a reconnect that lost nothing goes on in every tab", () => {
  const [first, second] = two();
  happen(11);
  fail();
  assert.deepEqual([first.tabs.state, second.tabs.state], ["reconnecting", "reconnecting"]);
  browser.clock.pass(500);

  connect(11, "resumed");
  happen(12);

  assert.deepEqual([first.tabs.state, second.tabs.state], ["live", "live"]);
  assert.deepEqual(second.ids, [at(11), at(12)]);
});

test("a frozen leader is replaced within 20 s, and follows when it thaws", () => {
  const [first, second] = two();
  happen(11);
  first.isFrozen = true;

  browser.clock.pass(20_000);
  connect(11, "resumed");
  happen(12);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual(second.ids, [at(11), at(12)]);
  first.thaw();
  assert.equal(first.tabs.isLeader, false);
  assert.equal(browser.outside.openOnes.length, 1);
  assert.deepEqual(first.ids, [at(11), at(12)]);
  assert.equal(first.tabs.state, "live");
});

test("a look at a tab whose leader is frozen does not wait for silence to grow long", () => {
  const [first, second] = two();
  first.isFrozen = true;

  second.wake();
  browser.clock.pass(8_000);

  assert.equal(second.tabs.isLeader, true);
});

test("words of a leader that was replaced are refused", () => {
  const [first, second] = two();
  const old = browser.outside.newest;
  first.isFrozen = true;
  browser.clock.pass(20_000);
  connect(10, "resumed");
  first.isFrozen = false; // what it was sent is not heard yet; its stream speaks first

  browser.turn(() => old.say("message", at(11), envelope()));

  assert.deepEqual(second.ids, []);
  happen(11);
  assert.deepEqual(second.ids, [at(11)]);
});

test("a leader that learns from a follower that it was replaced does not lead it back", () => {
  const [first, second] = two();
  const third = browser.open("c", at(10));
  first.isFrozen = true;
  browser.clock.pass(20_000);
  connect(10, "resumed");
  const leader = [second, third].find(({ tabs }) => tabs.isLeader);
  const follower = leader === second ? third : second;
  first.isFrozen = false; // what it was sent is not heard yet; a follower's word comes first

  follower.wake();
  first.thaw();
  happen(11);

  assert.equal(leader?.tabs.isLeader, true);
  assert.equal(browser.outside.openOnes.length, 1);
  for (const tab of [first, second, third]) assert.deepEqual(tab.ids, [at(11)]);
});

test("of several followers only one takes over", () => {
  const first = browser.open("a", at(10));
  for (const name of ["b", "c", "d"]) browser.open(name, at(10));
  connect(10, "resumed");
  first.isFrozen = true;

  browser.clock.pass(30_000);

  assert.equal(browser.outside.openOnes.length, 2); // the frozen tab's own is still open
  assert.equal(browser.tabs.filter(({ tabs }) => tabs.isLeader).length, 2);
});

test("a leader that answers is left alone, however quiet the server is", () => {
  const [first] = two();
  for (let beat = 0; beat < 20; beat += 1) {
    browser.clock.pass(27_000);
    tick(at(10));
  }

  assert.equal(first.tabs.isLeader, true);
  assert.equal(browser.outside.sources.length, 1);
});

test("a follower that stood still itself asks before it judges", () => {
  const [first, second] = two();
  second.isFrozen = true;
  browser.clock.pass(3_600_000 - 1_000);
  tick(at(10));
  browser.clock.pass(1_000);

  second.thaw();
  browser.clock.pass(10_000);

  assert.equal(first.tabs.isLeader, true);
});

test("a follower that missed broadcasts notices with the next, and is handed them", () => {
  const [, second] = two();
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  happen(11, 12);
  browser.isCarried = () => true;

  happen(13);

  assert.deepEqual(second.ids, [at(11), at(12), at(13)]);
  assert.ok(second.lines.includes("missed something: asks the tab that leads"));
});

test("a follower that missed the last broadcast notices without another", () => {
  const [, second] = two();
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  happen(11);
  browser.isCarried = () => true;

  second.wake();

  assert.deepEqual(second.ids, [at(11)]);
});

test("a follower that missed what was revoked is told what is held now", () => {
  const [, second] = two();
  browser.isCarried = (to, post) => !(to === second && post.kind === "frame");
  say("revoked", "", { channels: ["guild:1"] });
  browser.isCarried = () => true;

  second.wake();

  assert.deepEqual(second.verdicts, ["resumed", "resumed"]);
});

test("what a follower is shown is what the leader sees of its stream", () => {
  const [first, second] = two();

  say("goodbye", "", { reason: "restart", retry: 900 });
  assert.deepEqual([first.tabs.state, second.tabs.state], ["restarting", "restarting"]);
  browser.clock.pass(900);
  assert.equal(second.tabs.state, "reconnecting");
  connect(10, "resumed");

  assert.deepEqual([first.tabs.state, second.tabs.state], ["live", "live"]);
});

test("a tab that was live does not go back to the words of the beginning", () => {
  const [first, second] = two();

  first.stop();

  assert.equal(second.ear.state, "reconnecting");
});

test("followers that are looked at keep the time for a leader whose timers come late", () => {
  const [first] = two();
  const after = browser.clock.after.bind(browser.clock);
  browser.clock.after = (ms, act) => after(ms < 2_000 ? ms + 60_000 : ms, act); // the retry
  fail();

  browser.clock.pass(4_000);

  assert.equal(first.tabs.isLeader, true);
  assert.equal(browser.outside.sources.length, 2);
});

test("a look at any tab wakes the stream", () => {
  const [, second] = two();
  say("goodbye", "", { reason: "too-many-streams" });
  assert.equal(second.tabs.state, "parked");

  second.wake();

  assert.equal(browser.outside.sources.length, 2);
});

test("a toast is told once, in the tab focused last", () => {
  const [first, second] = two();

  happen(11);
  first.wake();
  happen(12);

  assert.deepEqual([first.ear.told, second.ear.told], [[at(12)], [at(11)]]);
});

test("a toast goes to a tab that is seen before one that is not", () => {
  const [first, second] = two();
  second.rest();

  happen(11);

  assert.deepEqual([first.ear.told, second.ear.told], [[at(11)], []]);
});

test("a toast nobody could see waits for the tab looked at next", () => {
  const [first, second] = two();
  for (const tab of [first, second]) {
    tab.rest();
  }
  happen(11);
  assert.deepEqual([first.ear.told, second.ear.told], [[], []]);

  second.wake();

  assert.deepEqual([first.ear.told, second.ear.told], [[], [at(11)]]);
});

test("a toast that waited too long is not told any more", () => {
  const [first, second] = two();
  for (const tab of [first, second]) {
    tab.rest();
  }
  happen(11);
  for (let minute = 0; minute < 10; minute += 1) {
    browser.clock.pass(20_000);
    tick(at(11));
    browser.clock.pass(40_000);
    tick(at(11));
  }
  first.wake();

  assert.deepEqual([first.ear.told, second.ear.told], [[], []]);
});

test("a toast that waits outlives the leader", () => {
  const [first, second] = two();
  for (const tab of [first, second]) {
    tab.rest();
  }
  happen(11);
  first.stop();

  second.wake();

  assert.deepEqual(second.ear.told, [at(11)]);
});

test("a toast that waits is forgotten when what it tells of is taken away", () => {
  const [first, second] = two();
  for (const tab of [first, second]) {
    tab.rest();
    tab.ear.lost.add(at(11));
  }
  happen(11);
  say("revoked", "", { channels: ["guild:1"] });

  second.wake();

  assert.deepEqual(second.ear.told, []);
});

test("a toast for a tab that has crashed goes to another", () => {
  const [first, second] = two();
  second.wake();
  second.isFrozen = true;

  happen(11);
  browser.clock.pass(3_000);

  assert.deepEqual([first.ear.told, second.ear.told], [[at(11)], []]);
});

test("a toast that was told is not told again by the next leader", () => {
  const [first, second] = two();
  const third = browser.open("c", at(10));
  second.wake();
  happen(11);

  second.rest();
  first.stop();
  connect(10, "resumed");
  happen(11);

  assert.deepEqual([second.ear.told, third.ear.told], [[at(11)], []]);
});

test("a late tab is not told what others were told before it came", () => {
  browser.open("a", at(10), { isVisible: true, focusedAt: 1 });
  connect(10, "resumed");
  happen(11);

  const late = browser.open("b", at(10), { isVisible: true, focusedAt: 5 });

  assert.deepEqual(late.ids, [at(11)]);
  assert.deepEqual(late.ear.told, []);
});

test("signing out reaches every tab, and none comes back", () => {
  const [first, second] = two();

  say("goodbye", "", { reason: "signed-out" });

  assert.deepEqual([first.ear.state, second.ear.state], ["signed-out", "signed-out"]);
  assert.ok(second.ear.names.includes("goodbye"));
  browser.clock.pass(120_000);
  assert.deepEqual(browser.outside.openOnes, []);
});

test("frames of somebody else's stream are refused in every tab", () => {
  const [first, second] = two();
  browser.outside.isOwn = false;
  fail();
  browser.clock.pass(500);

  connect(20, "resumed", ["user:eve"]);
  happen(21);

  for (const tab of [first, second]) {
    assert.deepEqual(tab.ids, []);
    assert.equal(tab.ear.state, "signed-out");
  }
});

test("a tab that comes back from being frozen properly catches up", () => {
  const [, second] = two();
  second.stop();
  happen(11);

  second.start();
  happen(12);

  assert.deepEqual(second.ids, [at(11), at(12)]);
});

test("a leader that leaves and comes back follows", () => {
  const [first, second] = two();
  first.stop();
  connect(10, "resumed");

  first.start();
  happen(11);

  assert.equal(second.tabs.isLeader, true);
  assert.deepEqual([first.ids, second.ids], [[at(11)], [at(11)]]);
});

test("a leader whose clock was set back is heard all the same", () => {
  const [first, second] = two();
  browser.clock.time -= 3_600_000;

  first.stop();
  connect(10, "resumed");
  const third = browser.open("c", at(10));
  happen(11);

  assert.deepEqual([second.ids, third.ids], [[at(11)], [at(11)]]);
});

test("a leader that never heard of an earlier one is heard once it has", () => {
  const [first, second] = two();
  browser.clock.time -= 3_600_000;
  browser.isCarried = () => false;
  const stranger = browser.open("z", at(10));
  second.stop();
  first.stop();
  connect(10, "resumed");
  assert.equal(stranger.tabs.isLeader, true);
  browser.isCarried = () => true;

  second.start();
  happen(11);

  assert.deepEqual(second.ids, [at(11)]);
});

test("where the browser refuses its locks each tab has a stream", () => {
  browser.locks.isRefused = true;

  const first = browser.open("a", at(10));
  connect(10, "resumed");
  const second = browser.open("b", at(10));
  connect(10, "resumed");
  happen(11);

  assert.equal(browser.outside.openOnes.length, 2);
  assert.deepEqual([first.ids, second.ids], [[], [at(11)]]);
  assert.deepEqual(second.ear.told, [at(11)]);
});
