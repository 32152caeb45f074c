// Tabs without Web Locks elect the one that holds the lock.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ElectedLock, type LockMessage } from "../src/stream/elected_lock";
import { FakeClock } from "./fakes";

/** The tabs of a browser without Web Locks. Messages wait for the others until `deliver`. */
class Election {
  readonly clock = new FakeClock();
  readonly #listeners = new Map<string, (message: LockMessage) => void>();
  readonly #queue: { from: string; message: LockMessage }[] = [];
  readonly holders = new Set<string>();
  readonly frozen = new Set<string>();
  readonly #waiting = new Map<string, LockMessage[]>();

  open(tab: string): ElectedLock {
    const lock = new ElectedLock(tab, this.clock, (onMessage) => {
      this.#listeners.set(tab, onMessage);
      return {
        post: (message) => {
          if (this.#listeners.has(tab)) this.#queue.push({ from: tab, message });
        },
        close: () => this.#listeners.delete(tab),
      };
    });
    this.request(lock, tab, false);
    return lock;
  }

  request(lock: ElectedLock, tab: string, isStealing: boolean): void {
    this.holders.delete(tab); // a new request replaces the former one
    lock.request(isStealing, {
      onAcquired: () => {
        if (this.#listeners.has(tab)) this.holders.add(tab);
      },
      onLost: () => {
        this.holders.delete(tab);
        this.request(lock, tab, false);
      },
      onUnavailable: () => assert.fail("an elected lock is always there"),
    });
    this.deliver();
  }

  release(lock: ElectedLock, tab: string): void {
    this.holders.delete(tab);
    lock.release();
    this.deliver();
  }

  /** End a tab without a word. */
  crash(tab: string): void {
    this.#listeners.delete(tab);
    this.holders.delete(tab);
  }

  thaw(tab: string): void {
    this.frozen.delete(tab);
    for (const message of this.#waiting.get(tab) ?? []) this.#listeners.get(tab)?.(message);
    this.deliver();
  }

  deliver(): void {
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      for (const [tab, listener] of [...this.#listeners]) {
        if (tab === next.from) continue;
        if (!this.frozen.has(tab)) listener(next.message);
        else this.#waiting.set(tab, [...(this.#waiting.get(tab) ?? []), next.message]);
      }
    }
  }

  /** Let time pass in small steps, with every message delivered at once. */
  advance(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      this.clock.advance(10);
      this.deliver();
    }
  }

  get held(): string[] {
    return [...this.holders];
  }
}

test("of tabs that open at once, one holds the lock", () => {
  const election = new Election();
  for (const tab of ["c", "a", "b"]) election.open(tab);

  election.advance(1_000);

  assert.deepEqual(election.held, ["a"]);
});

test("a tab that opens later waits for the holder to release it", () => {
  const election = new Election();
  const first = election.open("b");
  election.advance(1_000);
  for (const tab of ["c", "a"]) election.open(tab);
  election.advance(1_000);
  assert.deepEqual(election.held, ["b"]);

  election.release(first, "b");
  election.advance(1_000);

  assert.deepEqual(election.held, ["a"]);
});

test("an older claim goes first, even if its claim was sent before the other tab listened", () => {
  const election = new Election();
  election.open("b");
  election.advance(100);
  election.open("a");

  election.advance(1_000);

  assert.deepEqual(election.held, ["b"]);
});

test("when the tab with the older claim crashes, another one gets the lock", () => {
  const election = new Election();
  election.open("a");
  election.open("b");
  election.crash("a");

  election.advance(1_000);

  assert.deepEqual(election.held, ["b"]);
});

test("a tab that steals the lock holds it, and the former holder waits", () => {
  const election = new Election();
  const first = election.open("a");
  election.advance(1_000);
  const second = election.open("b");

  election.request(second, "b", true);
  election.advance(1_000);
  assert.deepEqual(election.held, ["b"]);
  election.release(second, "b");
  election.advance(1_000);

  assert.deepEqual(election.held, ["a"]);
  election.release(first, "a");
});

test("a holder that was frozen while another stole the lock learns that it has lost it", () => {
  const election = new Election();
  election.open("a");
  election.advance(1_000);
  const second = election.open("b");
  election.frozen.add("a");

  election.request(second, "b", true);
  election.advance(1_000);
  election.thaw("a");
  election.advance(1_000);

  assert.deepEqual(election.held, ["b"]);
});

test("a holder too slow to answer a claim follows the tab that took the lock", () => {
  const election = new Election();
  election.open("a");
  election.advance(1_000);
  election.frozen.add("a");
  election.open("b");
  election.advance(1_000);
  assert.deepEqual(election.held, ["a", "b"]);

  election.thaw("a");
  election.advance(1_000);

  assert.deepEqual(election.held, ["b"]);
});

test("a tab that has released the lock no longer claims it", () => {
  const election = new Election();
  const first = election.open("a");
  const second = election.open("b");
  election.release(first, "a");
  election.advance(1_000);
  election.release(second, "b");

  election.advance(1_000);

  assert.deepEqual(election.held, []);
});
