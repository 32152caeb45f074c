// A browser for tabs: its locks, its channel, and tabs that can freeze, crash and be looked at.

import type { Frame } from "../src/stream/frames";
import type { Attention, Post } from "../src/stream/tab_messages";
import { type Listener, Stream } from "../src/stream/stream";
import { type Claim, type Lock, Tabs, type TabListener } from "../src/stream/leader";
import { FakeClock, FakeListener, FakeOutside } from "./fakes";
import { envelope } from "./sample_events";

interface Asked {
  lock: object;
  claim: Claim;
}

/** One lock for all tabs, as the browser keeps it: taken from a tab, which may hear of it late. */
class Locks {
  owner: Asked | null = null;
  isRefused = false;
  #queue: Asked[] = [];

  open(tab: () => Tab): Lock {
    const lock = {};
    return {
      request: (isForced, claim) => {
        if (this.isRefused) {
          claim.refused();
          return;
        }
        this.#withdraw(lock);
        const before = this.owner;
        const one = { lock, claim: { ...claim, lost: () => tab().run(() => claim.lost()) } };
        if (before && !isForced) {
          this.#queue.push(one);
          return;
        }
        this.owner = one;
        claim.held();
        before?.claim.lost();
      },
      release: () => this.#withdraw(lock),
    };
  }

  #withdraw(lock: object): void {
    this.#queue = this.#queue.filter((other) => other.lock !== lock);
    if (this.owner?.lock !== lock) return;
    this.owner = this.#queue.shift() ?? null;
    this.owner?.claim.held();
  }
}

export class TabEar extends FakeListener implements TabListener {
  told: string[] = [];
  lost = new Set<string>(); // ids of events the reader may not be told any more

  tell(frame: Frame): void {
    this.told.push(frame.id);
  }

  mayTell(frame: Frame): boolean {
    return !this.lost.has(frame.id);
  }
}

export class Tab {
  readonly ear = new TabEar();
  readonly tabs: Tabs;
  readonly lines: string[] = [];
  attention: Attention = { isVisible: true, focusedAt: 0 };
  isFrozen = false;
  take: ((post: Post) => void) | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(
    readonly browser: Browser,
    readonly name: string,
    cursor: string,
    channels: string[] | null,
  ) {
    this.tabs = new Tabs(
      cursor,
      browser.clockOf(this),
      {
        tab: name,
        channels,
        lock: browser.locks.open(() => this),
        openWire: (take) => {
          this.take = take;
          return { post: (post) => browser.post(this, post), close: () => (this.take = null) };
        },
        openStream: (from, listener: Listener) =>
          new Stream("/api/events", from, browser.clockOf(this), browser.outside, listener),
        attention: () => this.attention,
        log: (line) => this.lines.push(line),
      },
      this.ear,
    );
  }

  get ids(): string[] {
    return this.ear.frames.filter(({ name }) => name === "event").map(({ id }) => id);
  }

  get verdicts(): string[] {
    return this.ear.frames.flatMap((frame) =>
      frame.name === "connected" ? [frame.told.verdict] : [],
    );
  }

  start(): void {
    this.browser.turn(() => this.tabs.start());
  }

  stop(): void {
    this.browser.turn(() => this.tabs.stop());
  }

  /** Somebody looks at it now. */
  wake(): void {
    this.attention = { isVisible: true, focusedAt: this.browser.clock.now() };
    this.browser.turn(() => this.tabs.wake());
  }

  /** Nobody looks at it any more. */
  rest(): void {
    this.attention = { ...this.attention, isVisible: false };
    this.browser.turn(() => this.tabs.rest());
  }

  /** Runs it, or later if this tab is frozen. */
  run(act: () => void): void {
    if (this.isFrozen) this.#waiting.push(act);
    else act();
  }

  thaw(): void {
    this.isFrozen = false;
    this.browser.turn(() => this.#waiting.splice(0).forEach((act) => act()));
  }
}

/** All tabs of one session, one server and one clock. */
export class Browser {
  readonly clock = new FakeClock();
  readonly outside = new FakeOutside();
  readonly locks = new Locks();
  readonly tabs: Tab[] = [];
  /** Posts for which this is false are lost on the way. */
  isCarried: (to: Tab, post: Post) => boolean = () => true;
  readonly #queue: (() => void)[] = [];
  #isTurning = false;

  open(
    name: string,
    cursor: string,
    options: Partial<Attention> & { channels?: string[] } = {},
  ): Tab {
    const { channels, ...attention } = options;
    const tab = new Tab(this, name, cursor, channels ?? null);
    tab.attention = { isVisible: true, focusedAt: this.tabs.length, ...attention };
    this.tabs.push(tab);
    tab.start();
    return tab;
  }

  /** Two tabs at 10, the first of which leads, live. */
  two(): [Tab, Tab] {
    const tabs: [Tab, Tab] = [this.open("a", at(10)), this.open("b", at(10))];
    this.connect(10, "resumed");
    return tabs;
  }

  /** Time for one tab: its timers wait while it is frozen. */
  clockOf(tab: Tab): FakeClock {
    const { clock } = this;
    return {
      now: () => clock.now(),
      random: () => clock.random(),
      after: (ms: number, act: () => void) => clock.after(ms, () => this.turn(() => tab.run(act))),
    } as FakeClock;
  }

  /** Posts are heard in order, and never inside the turn that posted. */
  post(from: Tab, post: Post): void {
    const copy = structuredClone(post);
    const others = this.tabs.filter((tab) => tab !== from && tab.take !== null);
    const sent = others.filter((tab) => this.isCarried(tab, copy));
    for (const tab of sent) this.#queue.push(() => tab.run(() => tab.take?.(copy)));
  }

  /** Something happens, and then whatever was posted is heard. */
  turn(act: () => void): void {
    if (this.#isTurning) {
      act();
      return;
    }
    this.#isTurning = true;
    act();
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) next();
    this.#isTurning = false;
  }

  // The server, on the newest stream

  connect(position: number, verdict = "live", channels: string[] = []): void {
    this.turn(() => this.outside.newest.connect(at(position), verdict, channels));
  }

  happen(...positions: number[]): void {
    for (const position of positions) this.say("message", at(position), envelope());
  }

  say(name: string, id: string, told: unknown): void {
    this.turn(() => this.outside.newest.say(name, id, told));
  }

  tick(id: string): void {
    this.turn(() => this.outside.newest.tick(id));
  }

  fail(): void {
    this.turn(() => this.outside.newest.fail());
  }
}

export function at(position: number): string {
  return `aaaaaaaa-${position}`;
}
