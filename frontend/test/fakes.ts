// Fake the clock, randomness and the EventSource.

import type { Clock } from "../src/clock";
import type { Frame } from "../src/stream/frames";
import type {
  EventSourceLike,
  EventSourceMessage,
  StreamEnvironment,
  StreamListener,
  StreamState,
} from "../src/stream/stream";

interface Timer {
  at: number; // ms
  callback: () => void;
}

/** A clock that only `advance` and `sleep` move. */
export class FakeClock implements Clock {
  time = 1_000_000;
  randomValue = 0.5;
  #timers: Timer[] = [];

  now(): number {
    return this.time;
  }

  random(): number {
    return this.randomValue;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.time + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Let `ms` pass and run every timer at its time. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = end;
  }

  /** Let the machine sleep: time passes, and timers run only afterwards. */
  sleep(ms: number): void {
    this.time += ms;
    this.advance(0);
  }
}

/** An EventSource whose events the test emits. */
export class FakeEventSource implements EventSourceLike {
  readonly url: string;
  isClosed = false;
  readonly #listeners = new Map<string, (event: EventSourceMessage) => void>();

  constructor(url: string) {
    this.url = url;
  }

  addEventListener(name: string, listener: (event: EventSourceMessage) => void): void {
    this.#listeners.set(name, listener);
  }

  close(): void {
    this.isClosed = true;
  }

  emit(name: string, id: string, payload: unknown): void {
    this.#listeners.get(name)?.({ data: JSON.stringify(payload), lastEventId: id });
  }

  connect(id: string, verdict = "live", channels: string[] = []): void {
    const connected = { verdict, position: id, seat: "s", because: null, channels };
    this.emit("message", id, { type: "connected", ...connected });
  }

  tick(id: string): void {
    this.emit("tick", id, { position: id, time: 0 });
  }

  fail(): void {
    this.#listeners.get("error")?.({});
  }
}

/** Record what a stream does with the browser. */
export class FakeEnvironment implements StreamEnvironment {
  sources: FakeEventSource[] = [];
  lines: string[] = [];
  status = 200;
  probes = 0;
  online = true;
  isReaders = true;

  openEventSource(url: string): FakeEventSource {
    const source = new FakeEventSource(url);
    this.sources.push(source);
    return source;
  }

  probeStatus(): Promise<number> {
    this.probes += 1;
    return Promise.resolve(this.status);
  }

  isOnline(): boolean {
    return this.online;
  }

  belongsToReader(): boolean {
    return this.isReaders;
  }

  log(line: string): void {
    this.lines.push(line);
  }

  get newest(): FakeEventSource {
    const source = this.sources[this.sources.length - 1];
    if (!source) throw new Error("no stream was opened");
    return source;
  }

  get openSources(): FakeEventSource[] {
    return this.sources.filter(({ isClosed }) => !isClosed);
  }
}

/** Record what a stream reports. */
export class FakeListener implements StreamListener {
  frames: Frame[] = [];
  states: StreamState[] = [];

  onFrame(frame: Frame): void {
    this.frames.push(frame);
  }

  onStateChange(state: StreamState): void {
    this.states.push(state);
  }

  get state(): StreamState | undefined {
    return this.states[this.states.length - 1];
  }

  get names(): string[] {
    return this.frames.map(({ name }) => name);
  }
}

/** Run the callbacks of promises that are already settled. */
export async function flushPromises(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
