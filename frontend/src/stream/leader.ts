// Elect a leader among the tabs of a session and share its one stream with the others.
//
//   follower ── the lock is free, or the leader is silent ──→ leader (owns the Stream)
//   leader   ── another tab stole the lock, or stop()     ──→ follower
//
// Browsers allow six HTTP/1.1 connections per origin: a seventh tab with its own stream would hang.
// Every tab keeps its own cursor and replay buffer, so any of them can take over without a gap.
// Browsers throttle the timers of hidden tabs but not their messages: followers send hello, and the
// leader needs no timer.

import { type Cancel, type Clock, every } from "../clock";
import { isTicketOfDeleted } from "../model/channels";
import type { EventFrame, Frame } from "./frames";
import { ReplayBuffer } from "./replay_buffer";
import type { Stream, StreamConnection, StreamListener, StreamState } from "./stream";
import {
  type Attention,
  CHECK_INTERVAL,
  checkLeader,
  compareLeaderTerms,
  type HelloMessage,
  type LeaderMessage,
  type LeaderTerm,
  type TabMessage,
} from "./tab_messages";
import { ToastDelivery } from "./toast_delivery";

const ANSWER_TIMEOUT = 4_000; // ms; a leader that takes longer to answer is frozen or crashed
const TIMEOUT_JITTER = 3_000; // ms; so that followers do not all time out at once

/** The BroadcastChannel between the tabs of one session and URL. */
export interface TabChannel {
  post(message: TabMessage): void;
  close(): void;
}

export interface LockCallbacks {
  onAcquired(): void; // this tab holds the lock
  onLost(): void; // another tab stole it
  onUnavailable(): void; // the browser grants no locks here
}

/** The lock that makes a tab the leader: a Web Lock, or an elected one. A new request replaces this tab's previous one. */
export interface LeaderLock {
  request(isStealing: boolean, callbacks: LockCallbacks): void;
  release(): void;
}

/** The browser functions that sharing a stream needs, injected for tests. */
export interface TabEnvironment {
  tabId: string;
  channels: readonly string[] | null; // channels the reader held when the page was rendered
  lock: LeaderLock;
  openChannel(onMessage: (message: TabMessage) => void): TabChannel;
  openStream(cursor: string | null, listener: StreamListener): Stream;
  readAttention(): Attention;
  log(line: string): void;
}

/** A listener whose toasts are shown separately, because only one tab shows each of them. */
export interface TabListener extends StreamListener {
  showToast(frame: EventFrame): void;
  /** Return whether the reader still holds a channel that shows this event. */
  canSee(frame: EventFrame): boolean;
}

/** A stream that looks the same in every tab, whichever tab has the connection. */
export class SharedStream implements StreamConnection {
  readonly #clock: Clock;
  readonly #environment: TabEnvironment;
  readonly #listener: TabListener;
  readonly #replayBuffer: ReplayBuffer;
  readonly #toastDelivery: ToastDelivery;
  readonly #answerTimeout: number;
  #channel: TabChannel | null = null;
  #stream: Stream | null = null;
  #state: StreamState = "connecting";
  #hasBeenLive = false;
  #leaderTerm: LeaderTerm = { term: 0, leader: "" };
  #frameCount: number | null = null; // frames received in this term; null: some are missing
  #leaderHeardAt = 0;
  #helloSentAt: number | null = null;
  #checkedAt = 0;
  #cancelCheck: Cancel | null = null;

  constructor(
    cursor: string | null,
    clock: Clock,
    environment: TabEnvironment,
    listener: TabListener,
  ) {
    this.#clock = clock;
    this.#environment = environment;
    this.#listener = listener;
    this.#replayBuffer = new ReplayBuffer(cursor, environment.channels);
    this.#toastDelivery = new ToastDelivery(clock, {
      tabId: environment.tabId,
      readAttention: () => environment.readAttention(),
      showToast: (frame) => listener.showToast(frame),
      sendOffer: (to, frames) => this.#broadcast({ kind: "offer", to, frames }),
      announceShown: (ids) => this.#channel?.post({ kind: "told", ids }),
    });
    this.#answerTimeout = ANSWER_TIMEOUT + clock.random() * TIMEOUT_JITTER;
  }

  get state(): StreamState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#stream !== null;
  }

  start(): void {
    if (this.#cancelCheck || this.#state === "signed-out") return;
    this.#channel = this.#environment.openChannel((message) => this.#onMessage(message));
    this.#leaderHeardAt = this.#checkedAt = this.#clock.now();
    this.#cancelCheck = every(this.#clock, CHECK_INTERVAL, () => this.#checkLeaderHealth());
    this.#requestLock(false);
    this.#sendHello();
  }

  stop(): void {
    this.#disconnect();
    this.#environment.lock.release();
  }

  wake(): void {
    if (!this.#cancelCheck) return;
    if (this.#stream) {
      this.#stream.wake();
      this.#toastDelivery.deliver();
    } else {
      this.#sendHello(true);
    }
  }

  onHidden(): void {
    if (this.#cancelCheck) this.#sendHello();
  }

  onOffline(): void {
    this.#stream?.onOffline(); // the browser fires `offline` in every tab; only the leader acts
  }

  // Leading

  #requestLock(isStealing: boolean): void {
    this.#environment.lock.request(isStealing, {
      onAcquired: () => this.#becomeLeader(),
      onLost: () => this.#yieldLeadership(),
      onUnavailable: () => {
        this.#environment.log("this browser gives no locks: this tab keeps a stream of its own");
        this.#channel?.close();
        this.#channel = null;
        this.#becomeLeader();
      },
    });
  }

  #becomeLeader(): void {
    if (this.#stream || !this.#cancelCheck) return;
    this.#leaderTerm = {
      term: Math.max(this.#leaderTerm.term + 1, this.#clock.now()),
      leader: this.#environment.tabId,
    };
    this.#frameCount = 0;
    this.#helloSentAt = null;
    this.#stream = this.#environment.openStream(this.#replayBuffer.cursor, {
      onFrame: (frame) => this.#broadcastFrame(frame),
      onStateChange: (state) => this.#onStreamState(state),
    });
    this.#environment.log("leads: this tab's stream serves every tab");
    this.#stream.start();
    this.#setState(this.#stream.state);
    this.#broadcastState();
  }

  #broadcastFrame(frame: Frame): void {
    this.#frameCount = (this.#frameCount ?? 0) + 1;
    this.#broadcast({ kind: "frame", frame });
    this.#deliver(frame);
    this.#toastDelivery.deliver();
  }

  #onStreamState(state: StreamState): void {
    this.#setState(state);
    this.#broadcastState();
    // Keep the lock: after a sign-out no tab may become the leader.
    if (state === "signed-out") this.#disconnect();
  }

  #onHello(message: HelloMessage): void {
    this.#toastDelivery.updateTab(message.tab, message.attention);
    if (message.term > this.#leaderTerm.term) {
      // This tab was replaced without noticing, or its clock was set back.
      this.#leaderTerm = { term: message.term, leader: "" };
      this.#yieldLeadership();
      return;
    }
    if (message.isWoken) this.#stream?.wake();
    else this.#stream?.runOverdueTimers();
    const frames = message.isWelcome ? null : this.#replayBuffer.replaySince(message.cursor);
    if (frames) this.#broadcast({ kind: "welcome", to: message.tab, state: this.#state, frames });
    else this.#broadcastState();
    this.#toastDelivery.deliver();
  }

  /** Follow the new leader, which has the pending toasts too. */
  #yieldLeadership(): void {
    if (!this.#stream) return;
    this.#stepDown();
    if (!this.#cancelCheck) return;
    this.#requestLock(false);
    this.#sendHello();
  }

  #stepDown(): void {
    this.#stream?.stop();
    this.#stream = null;
    this.#frameCount = null;
    this.#leaderHeardAt = this.#clock.now();
    this.#helloSentAt = null;
    this.#toastDelivery.stopLeading();
  }

  #broadcastState(): void {
    this.#broadcast({ kind: "state", state: this.#state });
  }

  #broadcast(message: LeaderMessage): void {
    this.#channel?.post({ ...message, ...this.#leaderTerm, count: this.#frameCount ?? 0 });
  }

  // Following

  #onMessage(message: TabMessage): void {
    if (!this.#cancelCheck) return;
    switch (message.kind) {
      case "hello":
        if (this.#stream) this.#onHello(message);
        break;
      case "bye":
        this.#toastDelivery.updateTab(message.tab, null);
        break;
      case "told":
        this.#toastDelivery.markShown(message.ids);
        break;
      default:
        this.#onLeaderMessage(message, message);
    }
  }

  #onLeaderMessage(message: LeaderMessage & { count: number }, term: LeaderTerm): void {
    const order = compareLeaderTerms(term, this.#leaderTerm);
    if (order < 0 || (order === 0 && this.#stream)) return;
    if (order > 0) this.#acceptLeader(term);
    this.#leaderHeardAt = this.#clock.now();
    this.#helloSentAt = null;
    if (message.kind === "frame") this.#onLeaderFrame(message.frame, message.count);
    else if (message.kind === "state") this.#onLeaderState(message.state, message.count);
    else if (message.to !== this.#environment.tabId) return;
    else if (message.kind === "offer") this.#toastDelivery.acceptOffer(message.frames);
    else this.#onWelcome(message.frames, message);
  }

  #acceptLeader({ term, leader }: LeaderTerm): void {
    this.#leaderTerm = { term, leader };
    this.#frameCount = null;
    if (this.#stream) this.#yieldLeadership();
    else this.#sendHello();
  }

  #onLeaderFrame(frame: Frame, count: number): void {
    if (this.#frameCount === null) {
      // The leader can answer a hello only after it has connected.
      if (frame.name === "connected") this.#sendHello();
    } else if (count === this.#frameCount + 1) {
      this.#frameCount = count;
      this.#deliver(frame);
    } else if (count > this.#frameCount) {
      this.#resync();
    }
  }

  #onLeaderState(state: StreamState, count: number): void {
    if (this.#frameCount !== null && count > this.#frameCount) this.#resync();
    if (this.#frameCount !== null || state !== "live") this.#applyLeaderState(state);
  }

  #onWelcome(frames: Frame[], leader: { state: StreamState; count: number }): void {
    if (this.#frameCount !== null) return;
    this.#frameCount = leader.count;
    this.#environment.log("follows: another tab's stream serves this one");
    for (const frame of frames) this.#deliver(frame, true);
    this.#applyLeaderState(leader.state);
  }

  #applyLeaderState(state: StreamState): void {
    this.#setState(state);
    if (state === "signed-out") this.stop();
  }

  /** Ask for the frames that were missed while this tab was frozen or overloaded. */
  #resync(): void {
    this.#frameCount = null;
    this.#toastDelivery.clear();
    this.#environment.log("missed something: asks the tab that leads");
    this.#sendHello();
  }

  #sendHello(isWoken = false): void {
    if (this.#stream) return;
    this.#helloSentAt ??= this.#clock.now();
    this.#channel?.post({
      kind: "hello",
      tab: this.#environment.tabId,
      term: this.#leaderTerm.term,
      cursor: this.#replayBuffer.cursor,
      isWelcome: this.#frameCount !== null,
      isWoken,
      attention: this.#environment.readAttention(),
    });
  }

  #checkLeaderHealth(): void {
    const now = this.#clock.now();
    const action = checkLeader({
      now,
      checkedAt: this.#checkedAt,
      leaderHeardAt: this.#leaderHeardAt,
      helloSentAt: this.#helloSentAt,
      answerTimeout: this.#answerTimeout,
    });
    this.#checkedAt = now;
    if (this.#stream) return; // the stream checks itself
    if (action === "take-over") this.#stealLock();
    else if (action === "ping") this.#resendHello();
    else if (this.#state !== "live" && this.#environment.readAttention().isVisible)
      this.#sendHello();
  }

  #resendHello(): void {
    this.#helloSentAt = null; // an answer to an older hello may have been lost while suspended
    this.#sendHello();
  }

  #stealLock(): void {
    this.#environment.log("the tab that leads does not answer: takes over");
    this.#helloSentAt = this.#clock.now();
    this.#requestLock(true);
  }

  // Both

  #disconnect(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = null;
    this.#channel?.post({ kind: "bye", tab: this.#environment.tabId });
    this.#stepDown();
    this.#channel?.close();
    this.#channel = null;
  }

  #deliver(frame: Frame, isReplayed = false): void {
    const isDuplicate =
      !this.#stream && frame.name === "event" && this.#replayBuffer.hasReached(frame.id);
    this.#replayBuffer.record(frame);
    if (!isDuplicate) this.#listener.onFrame(frame);
    if (frame.name === "event") {
      const { told } = frame;
      if (told.type === "organization.deleted") {
        this.#toastDelivery.retain((pending) => !isTicketOfDeleted(pending.told, told));
      }
      if (!isReplayed) this.#toastDelivery.enqueue(frame);
    } else if (frame.name === "revoked" || frame.name === "connected") {
      this.#toastDelivery.retain((pending) => this.#listener.canSee(pending));
    }
  }

  #setState(streamState: StreamState): void {
    this.#hasBeenLive ||= streamState === "live";
    const state = streamState === "connecting" && this.#hasBeenLive ? "reconnecting" : streamState;
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.onStateChange(state);
  }
}
