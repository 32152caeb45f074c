// Time, chance and an EventSource that the tests drive.

import type { Clock } from "../src/clock";
import type { Frame } from "../src/stream/frames";
import type { Listener, Outside, Source, SourceEvent, StreamState } from "../src/stream/stream";

interface Timer {
  at: number;
  act: () => void;
}

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  time = 1_000_000;
  chance = 0.5;
  #timers: Timer[] = [];

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(ms: number, act: () => void): () => void {
    const timer = { at: this.time + ms, act };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Lets `ms` pass, with every timer at its moment. */
  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.time = Math.max(this.time, next.at);
      next.act();
    }
    this.time = end;
  }

  /** The machine sleeps: time passes, and no timer runs until it is over. */
  sleep(ms: number): void {
    this.time += ms;
    this.pass(0);
  }
}

export class FakeSource implements Source {
  readonly url: string;
  isClosed = false;
  readonly #hearers = new Map<string, (event: SourceEvent) => void>();

  constructor(url: string) {
    this.url = url;
  }

  addEventListener(name: string, hear: (event: SourceEvent) => void): void {
    this.#hearers.set(name, hear);
  }

  close(): void {
    this.isClosed = true;
  }

  say(name: string, id: string, told: unknown): void {
    this.#hearers.get(name)?.({ data: JSON.stringify(told), lastEventId: id });
  }

  connect(id: string, verdict = "live", channels: string[] = []): void {
    const told = { verdict, position: id, seat: "s", because: null, channels };
    this.say("message", id, { type: "connected", ...told });
  }

  tick(id: string): void {
    this.say("tick", id, { position: id, time: 0 });
  }

  fail(): void {
    this.#hearers.get("error")?.({});
  }
}

/** Everything a stream touches, remembered. */
export class FakeOutside implements Outside {
  sources: FakeSource[] = [];
  lines: string[] = [];
  status = 200;
  probes = 0;
  online = true;
  isOwn = true;

  open(url: string): FakeSource {
    const source = new FakeSource(url);
    this.sources.push(source);
    return source;
  }

  probe(): Promise<number> {
    this.probes += 1;
    return Promise.resolve(this.status);
  }

  isOnline(): boolean {
    return this.online;
  }

  isOurs(): boolean {
    return this.isOwn;
  }

  log(line: string): void {
    this.lines.push(line);
  }

  get newest(): FakeSource {
    const source = this.sources[this.sources.length - 1];
    if (!source) throw new Error("no stream was opened");
    return source;
  }

  get openOnes(): FakeSource[] {
    return this.sources.filter(({ isClosed }) => !isClosed);
  }
}

export class FakeListener implements Listener {
  frames: Frame[] = [];
  states: StreamState[] = [];

  hear(frame: Frame): void {
    this.frames.push(frame);
  }

  show(state: StreamState): void {
    this.states.push(state);
  }

  get state(): StreamState | undefined {
    return this.states[this.states.length - 1];
  }

  get names(): string[] {
    return this.frames.map(({ name }) => name);
  }
}

/** Lets promises that are already settled go on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}
