// The one EventSource: its cursor, its reconnection, and the proof that it is still alive.
//
//   start → connecting → live → (error, silence, goodbye) → reconnecting → connecting …
//                                goodbye restart          → restarting → connecting …
//                                goodbye too-many-streams → parked, until the tab is looked at
//                                goodbye signed-out, 401  → signed-out, for good
//
// A native EventSource stops for good on a 5xx, a new one has forgotten its place, and none can
// tell a half-open connection from a quiet one; so it is closed and reopened from here.

import { fullJitter } from "./backoff";
import { type Cancel, type Clock, every } from "../clock";
import { streamUrl } from "./cursor";
import { CONTROL, type Frame, type Goodbye, parseFrame } from "./frames";

const SILENCE = 45_000; // ms without a frame; the server ticks every 27 s
const DOUBT = 40_000; // ms; a tab just looked at trusts nothing older
const LOOK = 5_000; // ms between two looks at the clock
const SETTLED = 5_000; // ms; what lived this long was a success; some platforms cut after ten seconds
const PROBE_EVERY = 3; // failures; then one request asks why (an EventSource cannot see a status)

export type StreamState =
  | "connecting"
  | "live"
  | "reconnecting"
  | "restarting"
  | "offline"
  | "parked"
  | "signed-out";

/** What is used of an EventSource. */
export interface Source {
  addEventListener(name: string, hear: (event: SourceEvent) => void): void;
  close(): void;
}

export interface SourceEvent {
  data?: string;
  lastEventId?: string;
}

export interface Outside {
  open(url: string): Source;
  /** The HTTP status of the stream's URL. */
  probe(url: string): Promise<number>;
  isOnline(): boolean;
  /** Whether a stream that holds these channels is that of the person the page was made for. */
  isOurs(channels: readonly string[]): boolean;
  log(line: string): void;
}

/** Whoever is told what is heard: the store, and all it needs to know of a stream. */
export interface Listener {
  hear(frame: Frame): void;
  show(state: StreamState): void;
}

/** What the page does with a stream, whether it is its own or not. */
export interface Live {
  readonly state: StreamState;
  start(): void;
  stop(): void;
  /** Somebody looks at this tab. */
  wake(): void;
  /** Nobody looks at it any more. */
  rest(): void;
  /** The browser says that the network is gone. */
  sleep(): void;
}

export class Stream implements Live {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #outside: Outside;
  readonly #listener: Listener;
  #cursor: string | null;
  #state: StreamState = "connecting";
  #source: Source | null = null;
  #heardAt = 0;
  #lookedAt = 0;
  #connectedAt: number | null = null;
  #connectedOnce = false;
  #failures = 0;
  #retryAt: number | null = null;
  #cancelRetry: Cancel | null = null;
  #cancelLook: Cancel | null = null;

  constructor(
    url: string,
    cursor: string | null,
    clock: Clock,
    outside: Outside,
    listener: Listener,
  ) {
    this.#url = url;
    this.#cursor = cursor;
    this.#clock = clock;
    this.#outside = outside;
    this.#listener = listener;
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  get state(): StreamState {
    return this.#state;
  }

  start(): void {
    if (this.#cancelLook) return;
    this.#connect();
    this.#lookedAt = this.#clock.now();
    this.#cancelLook = every(this.#clock, LOOK, () => this.#look());
  }

  stop(): void {
    this.#close();
    this.#dropRetry();
    this.#cancelLook?.();
    this.#cancelLook = null;
  }

  /** The tab is looked at, the network is back, the machine woke: be live, now. */
  wake(): void {
    if (this.#state === "signed-out" || !this.#cancelLook) return;
    const isTrusted = this.#source !== null && this.#silence() <= DOUBT;
    if (!isTrusted) this.#connect();
  }

  rest(): void {
    // A stream goes on in a tab nobody looks at.
  }

  sleep(): void {
    if (this.#state === "signed-out" || this.#state === "parked") return;
    this.#retryIn(this.#wait(), "offline");
  }

  /** Does now what a timer should have done: those of a hidden tab come up to a minute late. */
  nudge(): void {
    if (this.#retryAt !== null && this.#clock.now() >= this.#retryAt) this.#connect();
    else if (this.#cancelLook) this.#look();
  }

  #connect(): void {
    this.#close();
    this.#dropRetry();
    this.#heardAt = this.#clock.now();
    this.#show(this.#outside.isOnline() ? this.#opening() : "offline");
    const source = this.#outside.open(streamUrl(this.#url, this.#cursor));
    this.#source = source;
    for (const name of ["message", ...CONTROL]) {
      source.addEventListener(name, (event) => this.#take(source, name, event));
    }
    source.addEventListener("error", () => this.#fail(source));
  }

  #opening(): StreamState {
    return this.#connectedOnce || this.#failures > 0 ? "reconnecting" : "connecting";
  }

  #take(source: Source, name: string, event: SourceEvent): void {
    if (source !== this.#source) return;
    this.#heardAt = this.#clock.now();
    if (event.lastEventId) this.#cursor = event.lastEventId;
    const frame = parseFrame(name, event.lastEventId ?? "", event.data ?? "");
    if (!frame) {
      this.#outside.log("skipped a frame that cannot be read");
    } else if (frame.name === "connected" && !this.#outside.isOurs(frame.told.channels)) {
      this.#outside.log("somebody else is signed in in this browser");
      const told = { reason: "signed-out" };
      this.#part({ name: "goodbye", id: "", told }, told);
    } else if (frame.name === "goodbye") {
      this.#part(frame, frame.told);
    } else {
      this.#pass(frame);
    }
  }

  #pass(frame: Frame): void {
    if (frame.name === "connected") {
      this.#connectedAt = this.#clock.now();
      this.#connectedOnce = true;
      this.#show("live");
    }
    this.#listener.hear(frame);
  }

  #part(frame: Frame, goodbye: Goodbye): void {
    this.#close();
    this.#outside.log(`the server ended the stream: ${goodbye.reason}`);
    this.#listener.hear(frame);
    switch (goodbye.reason) {
      case "signed-out":
        this.#end();
        break;
      case "too-many-streams":
        this.#show("parked");
        break;
      case "restart":
        this.#retryIn(goodbye.retry ?? this.#wait(), "restarting");
        break;
      default:
        this.#retryIn(this.#wait(), "reconnecting");
    }
  }

  #fail(source: Source): void {
    if (source !== this.#source) return;
    const now = this.#clock.now();
    if (this.#connectedAt !== null && now - this.#connectedAt >= SETTLED) this.#failures = 0;
    this.#connectedAt = null;
    this.#failures += 1;
    this.#retryIn(this.#wait(), this.#outside.isOnline() ? "reconnecting" : "offline");
    if (this.#failures % PROBE_EVERY === 0) void this.#askWhy();
  }

  async #askWhy(): Promise<void> {
    const status = await this.#outside.probe(this.#url).catch(() => 0);
    if (status !== 401 || this.#state === "live") return;
    this.#outside.log("signed out: the server knows no session for this tab");
    this.#end();
  }

  /** The session has ended; there is nothing to come back to. */
  #end(): void {
    this.stop();
    this.#show("signed-out");
  }

  #wait(): number {
    return fullJitter(Math.max(0, this.#failures - 1), this.#clock.random());
  }

  #retryIn(ms: number, state: "reconnecting" | "restarting" | "offline"): void {
    this.#close();
    this.#dropRetry();
    this.#retryAt = this.#clock.now() + ms;
    this.#cancelRetry = this.#clock.after(ms, () => this.#connect());
    const attempt = Math.max(1, this.#failures);
    this.#outside.log(`reconnecting in ${(ms / 1000).toFixed(1)} s (attempt ${attempt})`);
    this.#show(state);
  }

  #dropRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#retryAt = null;
  }

  #look(): void {
    const now = this.#clock.now();
    const slept = now - this.#lookedAt > 3 * LOOK;
    this.#lookedAt = now;
    if (slept && this.#state !== "parked") this.wake();
    else if (this.#source && this.#silence() >= SILENCE) {
      this.#outside.log(`nothing heard for ${Math.round(this.#silence() / 1000)} s`);
      this.#fail(this.#source);
    }
  }

  #silence(): number {
    return Math.max(0, this.#clock.now() - this.#heardAt);
  }

  #close(): void {
    this.#source?.close();
    this.#source = null;
  }

  #show(state: StreamState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.show(state);
  }
}
