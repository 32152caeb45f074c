// Fake a browser with several tabs: its locks, its channel, and tabs that freeze, crash and focus.

import type { Frame } from "../src/stream/frames";
import {
  type LeaderLock,
  type LockCallbacks,
  SharedStream,
  type TabListener,
} from "../src/stream/leader";
import { Stream, type StreamListener } from "../src/stream/stream";
import type { Attention, TabMessage } from "../src/stream/tab_messages";
import { FakeClock, FakeEnvironment, FakeListener } from "./fakes";
import { ticketCreatedEvent } from "./sample_events";

interface LockRequest {
  lock: object;
  callbacks: LockCallbacks;
}

/** The Web Lock of all tabs. A frozen tab learns only later that its lock was stolen. */
class FakeLocks {
  owner: LockRequest | null = null;
  isRefused = false;
  #queue: LockRequest[] = [];

  open(tab: () => Tab): LeaderLock {
    const lock = {};
    return {
      request: (isStealing, callbacks) => {
        if (this.isRefused) {
          callbacks.onUnavailable();
          return;
        }
        this.#withdraw(lock);
        const before = this.owner;
        const request: LockRequest = {
          lock,
          callbacks: { ...callbacks, onLost: () => tab().runOrQueue(() => callbacks.onLost()) },
        };
        if (before && !isStealing) {
          this.#queue.push(request);
          return;
        }
        this.owner = request;
        callbacks.onAcquired();
        before?.callbacks.onLost();
      },
      release: () => this.#withdraw(lock),
    };
  }

  #withdraw(lock: object): void {
    this.#queue = this.#queue.filter((other) => other.lock !== lock);
    if (this.owner?.lock !== lock) return;
    this.owner = this.#queue.shift() ?? null;
    this.owner?.callbacks.onAcquired();
  }
}

/** Record the toasts of one tab. */
export class FakeTabListener extends FakeListener implements TabListener {
  shownToasts: string[] = [];
  invisibleIds = new Set<string>(); // events that the reader may no longer see

  showToast(frame: Frame): void {
    this.shownToasts.push(frame.id);
  }

  canSee(frame: Frame): boolean {
    return !this.invisibleIds.has(frame.id);
  }
}

/** A tab with a shared stream. */
export class Tab {
  readonly listener = new FakeTabListener();
  readonly stream: SharedStream;
  readonly lines: string[] = [];
  attention: Attention = { isVisible: true, focusedAt: 0 };
  isFrozen = false;
  onMessage: ((message: TabMessage) => void) | null = null;
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
        openChannel: (onMessage) => {
          this.onMessage = onMessage;
          return {
            post: (message) => browser.post(this, message),
            close: () => (this.onMessage = null),
          };
        },
        openStream: (from, listener: StreamListener) =>
          new Stream("/api/events", from, browser.clockOf(this), browser.environment, listener),
        readAttention: () => this.attention,
        log: (line) => this.lines.push(line),
      },
      this.listener,
    );
  }

  get eventIds(): string[] {
    return this.listener.frames.filter(({ name }) => name === "event").map(({ id }) => id);
  }

  get outcomes(): string[] {
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

  /** Focus the tab. */
  focus(): void {
    this.attention = { isVisible: true, focusedAt: this.browser.clock.now() };
    this.browser.runTurn(() => this.stream.wake());
  }

  /** Hide the tab. */
  hide(): void {
    this.attention = { ...this.attention, isVisible: false };
    this.browser.runTurn(() => this.stream.onHidden());
  }

  /** Run `callback`, or queue it while the tab is frozen. */
  runOrQueue(callback: () => void): void {
    if (this.isFrozen) this.#waiting.push(callback);
    else callback();
  }

  thaw(): void {
    this.isFrozen = false;
    this.browser.runTurn(() => this.#waiting.splice(0).forEach((callback) => callback()));
  }
}

/** All tabs of one session, one server and one clock. */
export class FakeBrowser {
  readonly clock = new FakeClock();
  readonly environment = new FakeEnvironment();
  readonly locks = new FakeLocks();
  readonly tabs: Tab[] = [];
  /** Messages for which this returns false are lost. */
  isDelivered: (to: Tab, message: TabMessage) => boolean = () => true;
  readonly #queue: (() => void)[] = [];
  #isInTurn = false;

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

  /** Open two tabs at position 10; the first is the leader, and the stream is live. */
  openTwo(): [Tab, Tab] {
    const tabs: [Tab, Tab] = [this.open("a", cursorAt(10)), this.open("b", cursorAt(10))];
    this.connect(10, "resumed");
    return tabs;
  }

  /** Return the clock of one tab: its timers wait while the tab is frozen. */
  clockOf(tab: Tab): FakeClock {
    const { clock } = this;
    return {
      now: () => clock.now(),
      random: () => clock.random(),
      after: (ms: number, callback: () => void) =>
        clock.after(ms, () => this.runTurn(() => tab.runOrQueue(callback))),
    } as FakeClock;
  }

  /** Deliver a message to all other tabs, in order, after the turn that posted it. */
  post(from: Tab, message: TabMessage): void {
    const copy = structuredClone(message);
    const others = this.tabs.filter((tab) => tab !== from && tab.onMessage !== null);
    const recipients = others.filter((tab) => this.isDelivered(tab, copy));
    for (const tab of recipients)
      this.#queue.push(() => tab.runOrQueue(() => tab.onMessage?.(copy)));
  }

  /** Run `action`, then deliver every message that was posted. */
  runTurn(action: () => void): void {
    if (this.#isInTurn) {
      action();
      return;
    }
    this.#isInTurn = true;
    action();
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) next();
    this.#isInTurn = false;
  }

  // What the server sends on the newest stream

  connect(position: number, verdict = "live", channels: string[] = []): void {
    this.runTurn(() => this.environment.newest.connect(cursorAt(position), verdict, channels));
  }

  emitEvents(...positions: number[]): void {
    for (const position of positions)
      this.emit("message", cursorAt(position), ticketCreatedEvent());
  }

  emit(name: string, id: string, payload: unknown): void {
    this.runTurn(() => this.environment.newest.emit(name, id, payload));
  }

  tick(id: string): void {
    this.runTurn(() => this.environment.newest.tick(id));
  }

  fail(): void {
    this.runTurn(() => this.environment.newest.fail());
  }
}

/** Return the cursor of a position in the test's epoch. */
export function cursorAt(position: number): string {
  return `aaaaaaaa-${position}`;
}
