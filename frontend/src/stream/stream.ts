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
import { CONTROL_FRAMES, type Frame, type Goodbye, parseFrame } from "./frames";

const SILENCE_TIMEOUT = 45_000; // ms without a frame; the server ticks every 27 s
const MAX_TRUSTED_SILENCE = 40_000; // ms; a tab just looked at trusts nothing older
const CHECK_INTERVAL = 5_000; // ms between two looks at the clock
const STABLE_AFTER = 5_000; // ms; what lived this long was a success; some platforms cut after ten seconds
const FAILURES_PER_PROBE = 3; // failures; then one request asks why (an EventSource cannot see a status)

export type StreamState =
  "connecting" | "live" | "reconnecting" | "restarting" | "offline" | "parked" | "signed-out";

/** What is used of an EventSource. */
export interface EventSourceLike {
  addEventListener(name: string, listener: (event: EventSourceMessage) => void): void;
  close(): void;
}

export interface EventSourceMessage {
  data?: string;
  lastEventId?: string;
}

export interface StreamEnvironment {
  openEventSource(url: string): EventSourceLike;
  /** The HTTP status of the stream's URL. */
  probeStatus(url: string): Promise<number>;
  isOnline(): boolean;
  /** Whether a stream that holds these channels is that of the person the page was made for. */
  belongsToReader(channels: readonly string[]): boolean;
  log(line: string): void;
}

/** Whoever is told what is heard: the store, and all it needs to know of a stream. */
export interface StreamListener {
  onFrame(frame: Frame): void;
  onStateChange(state: StreamState): void;
}

/** What the page does with a stream, whether it is its own or not. */
export interface StreamConnection {
  readonly state: StreamState;
  start(): void;
  stop(): void;
  /** Somebody looks at this tab. */
  wake(): void;
  /** Nobody looks at it any more. */
  onHidden(): void;
  /** The browser says that the network is gone. */
  onOffline(): void;
}

export class Stream implements StreamConnection {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #environment: StreamEnvironment;
  readonly #listener: StreamListener;
  #cursor: string | null;
  #state: StreamState = "connecting";
  #source: EventSourceLike | null = null;
  #lastFrameAt = 0;
  #checkedAt = 0;
  #connectedAt: number | null = null;
  #hasConnected = false;
  #failures = 0;
  #retryAt: number | null = null;
  #cancelRetry: Cancel | null = null;
  #cancelCheck: Cancel | null = null;

  constructor(
    url: string,
    cursor: string | null,
    clock: Clock,
    outside: StreamEnvironment,
    listener: StreamListener,
  ) {
    this.#url = url;
    this.#cursor = cursor;
    this.#clock = clock;
    this.#environment = outside;
    this.#listener = listener;
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  get state(): StreamState {
    return this.#state;
  }

  start(): void {
    if (this.#cancelCheck) return;
    this.#connect();
    this.#checkedAt = this.#clock.now();
    this.#cancelCheck = every(this.#clock, CHECK_INTERVAL, () => this.#checkHealth());
  }

  stop(): void {
    this.#close();
    this.#clearRetry();
    this.#cancelCheck?.();
    this.#cancelCheck = null;
  }

  /** The tab is looked at, the network is back, the machine woke: be live, now. */
  wake(): void {
    if (this.#state === "signed-out" || !this.#cancelCheck) return;
    const isTrusted = this.#source !== null && this.#silenceDuration() <= MAX_TRUSTED_SILENCE;
    if (!isTrusted) this.#connect();
  }

  onHidden(): void {
    // A stream goes on in a tab nobody looks at.
  }

  onOffline(): void {
    if (this.#state === "signed-out" || this.#state === "parked") return;
    this.#scheduleRetry(this.#nextDelay(), "offline");
  }

  /** Does now what a timer should have done: those of a hidden tab come up to a minute late. */
  runOverdueTimers(): void {
    if (this.#retryAt !== null && this.#clock.now() >= this.#retryAt) this.#connect();
    else if (this.#cancelCheck) this.#checkHealth();
  }

  #connect(): void {
    this.#close();
    this.#clearRetry();
    this.#lastFrameAt = this.#clock.now();
    this.#setState(this.#environment.isOnline() ? this.#connectingState() : "offline");
    const source = this.#environment.openEventSource(streamUrl(this.#url, this.#cursor));
    this.#source = source;
    for (const name of ["message", ...CONTROL_FRAMES]) {
      source.addEventListener(name, (event) => this.#onMessage(source, name, event));
    }
    source.addEventListener("error", () => this.#onError(source));
  }

  #connectingState(): StreamState {
    return this.#hasConnected || this.#failures > 0 ? "reconnecting" : "connecting";
  }

  #onMessage(source: EventSourceLike, name: string, event: EventSourceMessage): void {
    if (source !== this.#source) return;
    this.#lastFrameAt = this.#clock.now();
    if (event.lastEventId) this.#cursor = event.lastEventId;
    const frame = parseFrame(name, event.lastEventId ?? "", event.data ?? "");
    if (!frame) {
      this.#environment.log("skipped a frame that cannot be read");
    } else if (
      frame.name === "connected" &&
      !this.#environment.belongsToReader(frame.told.channels)
    ) {
      this.#environment.log("somebody else is signed in in this browser");
      const told = { reason: "signed-out" };
      this.#onGoodbye({ name: "goodbye", id: "", told }, told);
    } else if (frame.name === "goodbye") {
      this.#onGoodbye(frame, frame.told);
    } else {
      this.#forward(frame);
    }
  }

  #forward(frame: Frame): void {
    if (frame.name === "connected") {
      this.#connectedAt = this.#clock.now();
      this.#hasConnected = true;
      this.#setState("live");
    }
    this.#listener.onFrame(frame);
  }

  #onGoodbye(frame: Frame, goodbye: Goodbye): void {
    this.#close();
    this.#environment.log(`the server ended the stream: ${goodbye.reason}`);
    this.#listener.onFrame(frame);
    switch (goodbye.reason) {
      case "signed-out":
        this.#endSession();
        break;
      case "too-many-streams":
        this.#setState("parked");
        break;
      case "restart":
        this.#scheduleRetry(goodbye.retry ?? this.#nextDelay(), "restarting");
        break;
      default:
        this.#scheduleRetry(this.#nextDelay(), "reconnecting");
    }
  }

  #onError(source: EventSourceLike): void {
    if (source !== this.#source) return;
    const now = this.#clock.now();
    if (this.#connectedAt !== null && now - this.#connectedAt >= STABLE_AFTER) this.#failures = 0;
    this.#connectedAt = null;
    this.#failures += 1;
    this.#scheduleRetry(
      this.#nextDelay(),
      this.#environment.isOnline() ? "reconnecting" : "offline",
    );
    if (this.#failures % FAILURES_PER_PROBE === 0) void this.#probeFailure();
  }

  async #probeFailure(): Promise<void> {
    const status = await this.#environment.probeStatus(this.#url).catch(() => 0);
    if (status !== 401 || this.#state === "live") return;
    this.#environment.log("signed out: the server knows no session for this tab");
    this.#endSession();
  }

  /** The session has ended; there is nothing to come back to. */
  #endSession(): void {
    this.stop();
    this.#setState("signed-out");
  }

  #nextDelay(): number {
    return fullJitter(Math.max(0, this.#failures - 1), this.#clock.random());
  }

  #scheduleRetry(ms: number, state: "reconnecting" | "restarting" | "offline"): void {
    this.#close();
    this.#clearRetry();
    this.#retryAt = this.#clock.now() + ms;
    this.#cancelRetry = this.#clock.after(ms, () => this.#connect());
    const attempt = Math.max(1, this.#failures);
    this.#environment.log(`reconnecting in ${(ms / 1000).toFixed(1)} s (attempt ${attempt})`);
    this.#setState(state);
  }

  #clearRetry(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    this.#retryAt = null;
  }

  #checkHealth(): void {
    const now = this.#clock.now();
    const slept = now - this.#checkedAt > 3 * CHECK_INTERVAL;
    this.#checkedAt = now;
    if (slept && this.#state !== "parked") this.wake();
    else if (this.#source && this.#silenceDuration() >= SILENCE_TIMEOUT) {
      this.#environment.log(`nothing heard for ${Math.round(this.#silenceDuration() / 1000)} s`);
      this.#onError(this.#source);
    }
  }

  #silenceDuration(): number {
    return Math.max(0, this.#clock.now() - this.#lastFrameAt);
  }

  #close(): void {
    this.#source?.close();
    this.#source = null;
  }

  #setState(state: StreamState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.onStateChange(state);
  }
}
