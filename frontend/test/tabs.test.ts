// Tabs of one session share one stream, and none misses what another heard.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Frame } from "../src/frames";
import { type Listener, Stream } from "../src/stream";
import { type Lock, type Post, Tabs } from "../src/tabs";
import { FakeClock, FakeListener, FakeOutside } from "./fakes";
import { envelope } from "./samples";

interface Claim {
  held: () => void;
  lost: () => void;
}

/** One lock for all tabs, as the browser keeps it. */
class Locks {
  #owner: { lock: object; claim: Claim } | null = null;
  #queue: { lock: object; claim: Claim }[] = [];

  open(): Lock {
    const lock = {};
    return {
      request: (isForced, held, lost) => {
        const one = { lock, claim: { held, lost } };
        this.#queue = this.#queue.filter((other) => other.lock !== lock);
        const before = this.#owner;
        if (before && !isForced) {
          this.#queue.push(one);
          return;
        }
        this.#owner = one;
        held();
        before?.claim.lost();
      },
      release: () => {
        this.#queue = this.#queue.filter((other) => other.lock !== lock);
        if (this.#owner?.lock !== lock) return;
        this.#owner = this.#queue.shift() ?? null;
        this.#owner?.claim.held();
      },
    };
  }
}

class Tab {
  readonly listener = new FakeListener();
  readonly tabs: Tabs;
  isHidden = false;
  isFrozen = false;
  readonly shown: string[] = [];
  take: (message: Post) => void = () => undefined;

  constructor(name: string, cursor: string) {
    const wire = {
      post: (message: Post) => {
        if (this.isFrozen) return;
        const copy = structuredClone(message);
        for (const other of all) if (other !== this && !other.isFrozen) other.take(copy);
      },
      hear: (take: (message: Post) => void) => {
        this.take = take;
      },
    };
    const room = {
      tab: name,
      wire,
      lock: locks.open(),
      isHidden: () => this.isHidden,
      openStream: (from: string | null, listener: Listener) =>
        new Stream("/api/events", from, clock, outside, listener),
      shown: (id: string) => this.shown.push(id),
    };
    all.push(this);
    this.tabs = new Tabs(cursor, clock, room, this.listener);
    this.tabs.start();
  }

  get ids(): string[] {
    return this.listener.frames.filter(({ name }) => name === "event").map(({ id }) => id);
  }

  get verdicts(): string[] {
    const isFirst = (frame: Frame): frame is Extract<Frame, { name: "connected" }> =>
      frame.name === "connected";
    return this.listener.frames.filter(isFirst).map(({ told }) => told.verdict);
  }
}

let clock: FakeClock;
let outside: FakeOutside;
let locks: Locks;
let all: Tab[];

beforeEach(() => {
  clock = new FakeClock();
  outside = new FakeOutside();
  locks = new Locks();
  all = [];
});

function happen(position: number): void {
  outside.newest.say("message", `aaaaaaaa-${position}`, envelope());
}

test("two tabs open one stream, and both hear it", () => {
  const ada = new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");

  happen(11);

  assert.equal(outside.sources.length, 1);
  assert.deepEqual([ada.ids, second.ids], [["aaaaaaaa-11"], ["aaaaaaaa-11"]]);
  assert.equal(second.listener.state, "live");
});

test("a tab rendered before the newest events is handed them, once", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  [11, 12, 13].forEach(happen);

  const late = new Tab("b", "aaaaaaaa-11");
  happen(14);

  assert.deepEqual(late.ids, ["aaaaaaaa-12", "aaaaaaaa-13", "aaaaaaaa-14"]);
  assert.deepEqual(late.verdicts, ["resumed"]);
  assert.equal(first.tabs.isLeader, true);
});

test("a tab older than the leader's memory reloads instead", () => {
  new Tab("a", "aaaaaaaa-100");
  outside.newest.connect("aaaaaaaa-100");

  const old = new Tab("b", "aaaaaaaa-50");

  assert.deepEqual(old.verdicts, ["reset"]);
});

test("a tab of another epoch reloads instead", () => {
  new Tab("a", "aaaaaaaa-100");
  outside.newest.connect("aaaaaaaa-100");

  const old = new Tab("b", "bbbbbbbb-100");

  assert.deepEqual(old.verdicts, ["reset"]);
});

test("what was revoked is not handed to a tab opened later", () => {
  new Tab("a", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10", "live", ["guild:1", "user:a"]);
  happen(11);
  outside.newest.say("revoked", "aaaaaaaa-11", { channels: ["guild:1"] });

  const late = new Tab("b", "aaaaaaaa-10");

  assert.deepEqual(late.ids, []);
  const first = late.listener.frames[0];
  assert.deepEqual(first?.name === "connected" && first.told.channels, ["user:a"]);
});

test("when the leader closes, another goes on from where it was", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  happen(11);

  first.tabs.stop();

  assert.equal(outside.newest.url, "/api/events?after=aaaaaaaa-11");
  assert.equal(outside.openOnes.length, 1);
  outside.newest.connect("aaaaaaaa-11", "resumed");
  happen(12);
  assert.deepEqual(second.ids, ["aaaaaaaa-11", "aaaaaaaa-12"]);
  assert.deepEqual(first.ids, ["aaaaaaaa-11"]);
});

test("a third tab follows the new leader without a gap or a double", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  new Tab("b", "aaaaaaaa-10");
  const third = new Tab("c", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  happen(11);
  first.tabs.stop();
  outside.newest.connect("aaaaaaaa-11", "resumed");

  happen(12);

  assert.deepEqual(third.ids, ["aaaaaaaa-11", "aaaaaaaa-12"]);
});

test("a reset of the leader reaches every tab", () => {
  new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  outside.newest.fail();
  clock.pass(500);

  outside.newest.connect("aaaaaaaa-5000", "reset");

  assert.deepEqual(second.verdicts, ["resumed", "reset"]);
});

test("a frozen leader is replaced within a minute or so", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  first.isFrozen = true;

  clock.pass(66_000);

  assert.equal(second.tabs.isLeader, true);
  assert.equal(first.tabs.isLeader, false);
});

test("a leader that ticks is left alone", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  for (let beat = 0; beat < 20; beat += 1) {
    clock.pass(27_000);
    outside.newest.tick("aaaaaaaa-10");
  }

  assert.equal(first.tabs.isLeader, true);
  assert.equal(outside.sources.length, 1);
});

test("a visible tab does not bear a hidden leader that is not live", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  first.isHidden = true;
  first.tabs.tellVisibility();
  clock.chance = 0.999;
  outside.newest.fail();

  clock.pass(16_000);

  assert.equal(second.tabs.isLeader, true);
});

test("a look at any tab wakes the leader", () => {
  new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");
  clock.pass(41_000);

  second.tabs.wake();

  assert.equal(outside.sources.length, 2);
});

test("a toast that was seen in one tab is known in the others", () => {
  const first = new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");

  first.tabs.tellShown("aaaaaaaa-11");

  assert.deepEqual(second.shown, ["aaaaaaaa-11"]);
});

test("signing out reaches every tab", () => {
  new Tab("a", "aaaaaaaa-10");
  const second = new Tab("b", "aaaaaaaa-10");
  outside.newest.connect("aaaaaaaa-10");

  outside.newest.say("goodbye", "aaaaaaaa-10", { reason: "signed-out" });

  assert.equal(second.listener.state, "signed-out");
  assert.deepEqual(outside.openOnes, []);
});
