// One stream for all tabs of a session: one of them leads, the others hear it through a channel.
//
//   follower ── the lock is free, or its holder is silent ──→ leader (owns the Stream)
//   leader   ── another tab took the lock, or stop()      ──→ follower
//
// HTTP/1.1 allows six connections per origin: a seventh tab with a stream of its own would hang.
// Every tab keeps its own place and what it heard lately, so any of them can go on without a gap.
// Timers of hidden tabs come late, messages do not: followers ask, and the leader needs no timer.

import { type Cancel, type Clock, every } from "../clock";
import type { EventFrame, Frame } from "./frames";
import { isTicketOfDeleted } from "../model/channels";
import {
  type Attention,
  compareLeaderTerms,
  type HelloMessage,
  checkLeader,
  CHECK_INTERVAL,
  type TabMessage,
  type LeaderTerm,
  type LeaderMessage,
} from "./tab_messages";
import { ToastDelivery } from "./toast_delivery";
import { ReplayBuffer } from "./replay_buffer";
import type { StreamListener, StreamConnection, Stream, StreamState } from "./stream";

const ANSWER_TIMEOUT = 4_000; // ms for the leader's answer; then it is frozen, or as good as
const TIMEOUT_JITTER = 3_000; // ms; so that not all followers lose patience at once

export interface TabChannel {
  post(message: TabMessage): void;
  close(): void;
}

export interface LockCallbacks {
  onAcquired(): void; // the lock is ours
  onLost(): void; // another tab took it
  onUnavailable(): void; // this browser gives no locks here
}

/** The session's lock. A new request takes the place of this tab's last one. */
export interface LeaderLock {
  request(isStealing: boolean, callbacks: LockCallbacks): void;
  release(): void;
}

/** What a tab needs of the browser in order to share. */
export interface TabEnvironment {
  tabId: string;
  channels: readonly string[] | null; // what the page was made for
  lock: LeaderLock;
  openChannel(onMessage: (post: TabMessage) => void): TabChannel;
  openStream(cursor: string | null, listener: StreamListener): Stream;
  readAttention(): Attention;
  log(line: string): void;
}

/** A listener that lets others decide whether it is the one to show a toast. */
export interface TabListener extends StreamListener {
  showToast(frame: EventFrame): void;
  /** Whether the reader still holds what shows this event; asked when something was lost. */
  canSee(frame: EventFrame): boolean;
}

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
  #frameCount: number | null = null; // frames of this reign heard; null: not all of them
  #leaderHeardAt = 0;
  #helloSentAt: number | null = null;
  #checkedAt = 0;
  #cancelCheck: Cancel | null = null;

  constructor(cursor: string | null, clock: Clock, room: TabEnvironment, listener: TabListener) {
    this.#clock = clock;
    this.#environment = room;
    this.#listener = listener;
    this.#replayBuffer = new ReplayBuffer(cursor, room.channels);
    this.#toastDelivery = new ToastDelivery(clock, {
      tabId: room.tabId,
      readAttention: () => room.readAttention(),
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
    this.#channel = this.#environment.openChannel((post) => this.#onMessage(post));
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
    this.#stream?.onOffline(); // every tab is told; the one that has the stream acts
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
    if (state === "signed-out") this.#disconnect(); // and keep the lock: nobody is to lead any more
  }

  #onHello(message: HelloMessage): void {
    this.#toastDelivery.updateTab(message.tab, message.attention);
    if (message.term > this.#leaderTerm.term) {
      // Either this tab was replaced and has not heard of it, or it leads under a clock set back.
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

  /** Another tab leads now; what this one has not told, that one will. */
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
      if (frame.name === "connected") this.#sendHello(); // only now can it say what was missed here
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

  #onWelcome(frames: Frame[], now: { state: StreamState; count: number }): void {
    if (this.#frameCount !== null) return;
    this.#frameCount = now.count;
    this.#environment.log("follows: another tab's stream serves this one");
    for (const frame of frames) this.#deliver(frame, true);
    this.#applyLeaderState(now.state);
  }

  #applyLeaderState(state: StreamState): void {
    this.#setState(state);
    if (state === "signed-out") this.stop();
  }

  /** Broadcasts were missed: a frozen tab, or a full one. */
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
    const verdict = checkLeader({
      now,
      checkedAt: this.#checkedAt,
      leaderHeardAt: this.#leaderHeardAt,
      helloSentAt: this.#helloSentAt,
      answerTimeout: this.#answerTimeout,
    });
    this.#checkedAt = now;
    if (this.#stream) return; // it looks after itself
    if (verdict === "take-over") this.#stealLock();
    else if (verdict === "ping") this.#resendHello();
    else if (this.#state !== "live" && this.#environment.readAttention().isVisible)
      this.#sendHello();
  }

  #resendHello(): void {
    this.#helloSentAt = null; // what was asked before this tab stood still proves nothing
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
    const isKnown =
      !this.#stream && frame.name === "event" && this.#replayBuffer.hasReached(frame.id);
    this.#replayBuffer.record(frame);
    if (!isKnown) this.#listener.onFrame(frame);
    if (frame.name === "event") {
      const { told } = frame;
      if (told.type === "organization.deleted") {
        this.#toastDelivery.retain((kept) => !isTicketOfDeleted(kept.told, told));
      }
      if (!isReplayed) this.#toastDelivery.enqueue(frame);
    } else if (frame.name === "revoked" || frame.name === "connected") {
      this.#toastDelivery.retain((kept) => this.#listener.canSee(kept));
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
