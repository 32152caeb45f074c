// A browser for tabs: its locks, its channel, and tabs that can freeze, crash and be looked at.

import type { Frame } from "../src/stream/frames";
import type { Attention, TabMessage } from "../src/stream/tab_messages";
import { type StreamListener, Stream } from "../src/stream/stream";
import {
  type LockCallbacks,
  type LeaderLock,
  SharedStream,
  type TabListener,
} from "../src/stream/leader";
import { FakeClock, FakeListener, FakeEnvironment } from "./fakes";
import { ticketCreatedEvent } from "./sample_events";

interface LockRequest {
  lock: object;
  claim: LockCallbacks;
}

/** One lock for all tabs, as the browser keeps it: taken from a tab, which may hear of it late. */
class FakeLocks {
  owner: LockRequest | null = null;
  isRefused = false;
  #queue: LockRequest[] = [];

  open(tab: () => Tab): LeaderLock {
    const lock = {};
    return {
      request: (isForced, claim) => {
        if (this.isRefused) {
          claim.onUnavailable();
          return;
        }
        this.#withdraw(lock);
        const before = this.owner;
        const one: LockRequest = {
          lock,
          claim: { ...claim, onLost: () => tab().runOrQueue(() => claim.onLost()) },
        };
        if (before && !isForced) {
          this.#queue.push(one);
          return;
        }
        this.owner = one;
        claim.onAcquired();
        before?.claim.onLost();
      },
      release: () => this.#withdraw(lock),
    };
  }

  #withdraw(lock: object): void {
    this.#queue = this.#queue.filter((other) => other.lock !== lock);
    if (this.owner?.lock !== lock) return;
    this.owner = this.#queue.shift() ?? null;
    this.owner?.claim.onAcquired();
  }
}

export class FakeTabListener extends FakeListener implements TabListener {
  shownToasts: string[] = [];
  invisibleIds = new Set<string>(); // ids of events the reader may not be told any more

  showToast(frame: Frame): void {
    this.shownToasts.push(frame.id);
  }

  canSee(frame: Frame): boolean {
    return !this.invisibleIds.has(frame.id);
  }
}

export class Tab {
  readonly listener = new FakeTabListener();
  readonly stream: SharedStream;
  readonly lines: string[] = [];
  attention: Attention = { isVisible: true, focusedAt: 0 };
  isFrozen = false;
  onMessage: ((post: TabMessage) => void) | null = null;
  readonly #waiting: (() => void)[] = [];

  constructor(
    readonly browser: FakeBrowser,
    readonly name: string,
    cursor: string,
    channels: string[] | null,
  ) {
    this.stream = new SharedStream(
      cursor,
      browser.clockOf(this),
      {
        tabId: name,
        channels,
        lock: browser.locks.open(() => this),
        openChannel: (take) => {
          this.onMessage = take;
          return { post: (post) => browser.post(this, post), close: () => (this.onMessage = null) };
        },
        openStream: (from, listener: StreamListener) =>
          new Stream("/api/events", from, browser.clockOf(this), browser.outside, listener),
        readAttention: () => this.attention,
        log: (line) => this.lines.push(line),
      },
      this.listener,
    );
  }

  get eventIds(): string[] {
    return this.listener.frames.filter(({ name }) => name === "event").map(({ id }) => id);
  }

  get verdicts(): string[] {
    return this.listener.frames.flatMap((frame) =>
      frame.name === "connected" ? [frame.told.verdict] : [],
    );
  }

  start(): void {
    this.browser.runTurn(() => this.stream.start());
  }

  stop(): void {
    this.browser.runTurn(() => this.stream.stop());
  }

  /** Somebody looks at it now. */
  focus(): void {
    this.attention = { isVisible: true, focusedAt: this.browser.clock.now() };
    this.browser.runTurn(() => this.stream.wake());
  }

  /** Nobody looks at it any more. */
  hide(): void {
    this.attention = { ...this.attention, isVisible: false };
    this.browser.runTurn(() => this.stream.onHidden());
  }

  /** Runs it, or later if this tab is frozen. */
  runOrQueue(act: () => void): void {
    if (this.isFrozen) this.#waiting.push(act);
    else act();
  }

  thaw(): void {
    this.isFrozen = false;
    this.browser.runTurn(() => this.#waiting.splice(0).forEach((act) => act()));
  }
}

/** All tabs of one session, one server and one clock. */
export class FakeBrowser {
  readonly clock = new FakeClock();
  readonly outside = new FakeEnvironment();
  readonly locks = new FakeLocks();
  readonly tabs: Tab[] = [];
  /** Posts for which this is false are lost on the way. */
  isDelivered: (to: Tab, post: TabMessage) => boolean = () => true;
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
  openTwo(): [Tab, Tab] {
    const tabs: [Tab, Tab] = [this.open("a", cursorAt(10)), this.open("b", cursorAt(10))];
    this.connect(10, "resumed");
    return tabs;
  }

  /** Time for one tab: its timers wait while it is frozen. */
  clockOf(tab: Tab): FakeClock {
    const { clock } = this;
    return {
      now: () => clock.now(),
      random: () => clock.random(),
      after: (ms: number, act: () => void) =>
        clock.after(ms, () => this.runTurn(() => tab.runOrQueue(act))),
    } as FakeClock;
  }

  /** Posts are heard in order, and never inside the turn that posted. */
  post(from: Tab, post: TabMessage): void {
    const copy = structuredClone(post);
    const others = this.tabs.filter((tab) => tab !== from && tab.onMessage !== null);
    const sent = others.filter((tab) => this.isDelivered(tab, copy));
    for (const tab of sent) this.#queue.push(() => tab.runOrQueue(() => tab.onMessage?.(copy)));
  }

  /** Something happens, and then whatever was posted is heard. */
  runTurn(act: () => void): void {
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
    this.runTurn(() => this.outside.newest.connect(cursorAt(position), verdict, channels));
  }

  emitEvents(...positions: number[]): void {
    for (const position of positions)
      this.emit("message", cursorAt(position), ticketCreatedEvent());
  }

  emit(name: string, id: string, told: unknown): void {
    this.runTurn(() => this.outside.newest.emit(name, id, told));
  }

  tick(id: string): void {
    this.runTurn(() => this.outside.newest.tick(id));
  }

  fail(): void {
    this.runTurn(() => this.outside.newest.fail());
  }
}

export function cursorAt(position: number): string {
  return `aaaaaaaa-${position}`;
}
