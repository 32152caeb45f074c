// Keep one EventSource connected: its cursor, its reconnection and its health checks.
//
//   start → connecting → live → (error, silence, goodbye) → reconnecting → connecting …
//                                goodbye restart          → restarting → connecting …
//                                goodbye too-many-streams → parked, until the tab is focused
//                                goodbye signed-out, 401  → signed-out, permanently
//
// A native EventSource gives up on a 5xx, a new one does not know the last cursor, and neither can
// tell a half-open connection from a quiet one. Therefore this module closes and reopens it itself.

import { type Cancel, type Clock, every } from "../clock";
import { fullJitter } from "./backoff";
import { streamUrl } from "./cursor";
import { CONTROL_FRAMES, type Frame, type Goodbye, parseFrame } from "./frames";

const SILENCE_TIMEOUT = 45_000; // ms without a frame; the server sends a tick every 27 s
const MAX_TRUSTED_SILENCE = 40_000; // ms; a tab that becomes visible reconnects after more
const CHECK_INTERVAL = 5_000; // ms between two health checks
const STABLE_AFTER = 5_000; // ms; resets the backoff; some platforms cut streams after 10 s
const FAILURES_PER_PROBE = 3; // failures; then HEAD the URL: an EventSource hides the status

export type StreamState =
  "connecting" | "live" | "reconnecting" | "restarting" | "offline" | "parked" | "signed-out";

/** The part of an EventSource that is used here. */
export interface EventSourceLike {
  addEventListener(name: string, listener: (event: EventSourceMessage) => void): void;
  close(): void;
}

export interface EventSourceMessage {
  data?: string;
  lastEventId?: string;
}

/** The browser functions that a stream needs, injected for tests. */
export interface StreamEnvironment {
  openEventSource(url: string): EventSourceLike;
  /** Request the status of the stream's URL. */
  probeStatus(url: string): Promise<number>;
  isOnline(): boolean;
  /** Return whether a stream with these channels belongs to the person who opened the page. */
  belongsToReader(channels: readonly string[]): boolean;
  log(line: string): void;
}

/** The receiver of a stream's frames and states. */
export interface StreamListener {
  onFrame(frame: Frame): void;
  onStateChange(state: StreamState): void;
}

/** A stream as the page sees it, whether this tab or another one has the connection. */
export interface StreamConnection {
  readonly state: StreamState;
  start(): void;
  stop(): void;
  /** The tab became visible or focused, or the network is back. */
  wake(): void;
  /** The tab was hidden. */
  onHidden(): void;
  /** The browser reports that the network is gone. */
  onOffline(): void;
}

/** The connection of one tab; `start` opens it, and it reconnects until `stop`. */
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
    environment: StreamEnvironment,
    listener: StreamListener,
  ) {
    this.#url = url;
    this.#cursor = cursor;
    this.#clock = clock;
    this.#environment = environment;
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

  /** Reconnect at once, unless a frame arrived recently. */
  wake(): void {
    if (this.#state === "signed-out" || !this.#cancelCheck) return;
    const isTrusted = this.#source !== null && this.#silenceDuration() <= MAX_TRUSTED_SILENCE;
    if (!isTrusted) this.#connect();
  }

  onHidden(): void {
    // A hidden tab keeps its stream.
  }

  onOffline(): void {
    if (this.#state === "signed-out" || this.#state === "parked") return;
    this.#scheduleRetry(this.#nextDelay(), "offline");
  }

  /** Run what is due: browsers delay the timers of a hidden tab by up to a minute. */
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
      this.#environment.log("another person is signed in in this browser");
      const goodbye = { reason: "signed-out" };
      this.#onGoodbye({ name: "goodbye", id: "", told: goodbye }, goodbye);
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

  /** Stop permanently: the session has ended. */
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
    const wasSuspended = now - this.#checkedAt > 3 * CHECK_INTERVAL;
    this.#checkedAt = now;
    if (wasSuspended && this.#state !== "parked") this.wake();
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
