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
import { isWithin } from "../model/channels";
import {
  type Attention,
  compareReigns,
  type Hello,
  judgeSilence,
  LOOK,
  type Post,
  type Reign,
  type Word,
} from "./tab_messages";
import { Offers } from "./toast_delivery";
import { Recent } from "./replay_buffer";
import type { Listener, Live, Stream, StreamState } from "./stream";

const PATIENCE = 4_000; // ms for the leader's answer; then it is frozen, or as good as
const SPREAD = 3_000; // ms; so that not all followers lose patience at once

export interface Wire {
  post(message: Post): void;
  close(): void;
}

export interface Claim {
  held(): void; // the lock is ours
  lost(): void; // another tab took it
  refused(): void; // this browser gives no locks here
}

/** The session's lock. A new request takes the place of this tab's last one. */
export interface Lock {
  request(isForced: boolean, claim: Claim): void;
  release(): void;
}

/** What a tab needs of the browser in order to share. */
export interface Room {
  tab: string;
  channels: readonly string[] | null; // what the page was made for
  lock: Lock;
  openWire(take: (post: Post) => void): Wire;
  openStream(cursor: string | null, listener: Listener): Stream;
  attention(): Attention;
  log(line: string): void;
}

/** A listener that lets others decide whether it is the one to show a toast. */
export interface TabListener extends Listener {
  tell(frame: EventFrame): void;
  /** Whether the reader still holds what shows this event; asked when something was lost. */
  mayTell(frame: EventFrame): boolean;
}

export class Tabs implements Live {
  readonly #clock: Clock;
  readonly #room: Room;
  readonly #listener: TabListener;
  readonly #recent: Recent;
  readonly #offers: Offers;
  readonly #patience: number;
  #wire: Wire | null = null;
  #stream: Stream | null = null;
  #state: StreamState = "connecting";
  #wasLive = false;
  #reign: Reign = { term: 0, leader: "" };
  #count: number | null = null; // frames of this reign heard; null: not all of them
  #heardAt = 0;
  #askedAt: number | null = null;
  #lookedAt = 0;
  #cancelLook: Cancel | null = null;

  constructor(cursor: string | null, clock: Clock, room: Room, listener: TabListener) {
    this.#clock = clock;
    this.#room = room;
    this.#listener = listener;
    this.#recent = new Recent(cursor, room.channels);
    this.#offers = new Offers(clock, {
      tab: room.tab,
      attention: () => room.attention(),
      show: (frame) => listener.tell(frame),
      offer: (to, frames) => this.#say({ kind: "offer", to, frames }),
      announce: (ids) => this.#wire?.post({ kind: "told", ids }),
    });
    this.#patience = PATIENCE + clock.random() * SPREAD;
  }

  get state(): StreamState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#stream !== null;
  }

  start(): void {
    if (this.#cancelLook || this.#state === "signed-out") return;
    this.#wire = this.#room.openWire((post) => this.#take(post));
    this.#heardAt = this.#lookedAt = this.#clock.now();
    this.#cancelLook = every(this.#clock, LOOK, () => this.#look());
    this.#ask(false);
    this.#greet();
  }

  stop(): void {
    this.#leave();
    this.#room.lock.release();
  }

  wake(): void {
    if (!this.#cancelLook) return;
    if (this.#stream) {
      this.#stream.wake();
      this.#offers.give();
    } else {
      this.#greet(true);
    }
  }

  rest(): void {
    if (this.#cancelLook) this.#greet();
  }

  sleep(): void {
    this.#stream?.sleep(); // every tab is told; the one that has the stream acts
  }

  // Leading

  #ask(isForced: boolean): void {
    this.#room.lock.request(isForced, {
      held: () => this.#lead(),
      lost: () => this.#giveWay(),
      refused: () => {
        this.#room.log("this browser gives no locks: this tab keeps a stream of its own");
        this.#wire?.close();
        this.#wire = null;
        this.#lead();
      },
    });
  }

  #lead(): void {
    if (this.#stream || !this.#cancelLook) return;
    this.#reign = {
      term: Math.max(this.#reign.term + 1, this.#clock.now()),
      leader: this.#room.tab,
    };
    this.#count = 0;
    this.#askedAt = null;
    this.#stream = this.#room.openStream(this.#recent.cursor, {
      hear: (frame) => this.#pass(frame),
      show: (state) => this.#passState(state),
    });
    this.#room.log("leads: this tab's stream serves every tab");
    this.#stream.start();
    this.#show(this.#stream.state);
    this.#sayState();
  }

  #pass(frame: Frame): void {
    this.#count = (this.#count ?? 0) + 1;
    this.#say({ kind: "frame", frame });
    this.#hear(frame);
    this.#offers.give();
  }

  #passState(state: StreamState): void {
    this.#show(state);
    this.#sayState();
    if (state === "signed-out") this.#leave(); // and keep the lock: nobody is to lead any more
  }

  #takeHello(hello: Hello): void {
    this.#offers.attend(hello.tab, hello.attention);
    if (hello.term > this.#reign.term) {
      // Either this tab was replaced and has not heard of it, or it leads under a clock set back.
      this.#reign = { term: hello.term, leader: "" };
      this.#giveWay();
      return;
    }
    if (hello.isWoken) this.#stream?.wake();
    else this.#stream?.nudge();
    const frames = hello.isWelcome ? null : this.#recent.since(hello.cursor);
    if (frames) this.#say({ kind: "welcome", to: hello.tab, state: this.#state, frames });
    else this.#sayState();
    this.#offers.give();
  }

  /** Another tab leads now; what this one has not told, that one will. */
  #giveWay(): void {
    if (!this.#stream) return;
    this.#stepDown();
    if (!this.#cancelLook) return;
    this.#ask(false);
    this.#greet();
  }

  #stepDown(): void {
    this.#stream?.stop();
    this.#stream = null;
    this.#count = null;
    this.#heardAt = this.#clock.now();
    this.#askedAt = null;
    this.#offers.retire();
  }

  #sayState(): void {
    this.#say({ kind: "state", state: this.#state });
  }

  #say(word: Word): void {
    this.#wire?.post({ ...word, ...this.#reign, count: this.#count ?? 0 });
  }

  // Following

  #take(post: Post): void {
    if (!this.#cancelLook) return;
    switch (post.kind) {
      case "hello":
        if (this.#stream) this.#takeHello(post);
        break;
      case "bye":
        this.#offers.attend(post.tab, null);
        break;
      case "told":
        this.#offers.drop(post.ids);
        break;
      default:
        this.#takeWord(post, post);
    }
  }

  #takeWord(word: Word & { count: number }, reign: Reign): void {
    const order = compareReigns(reign, this.#reign);
    if (order < 0 || (order === 0 && this.#stream)) return;
    if (order > 0) this.#acknowledge(reign);
    this.#heardAt = this.#clock.now();
    this.#askedAt = null;
    if (word.kind === "frame") this.#takeFrame(word.frame, word.count);
    else if (word.kind === "state") this.#takeState(word.state, word.count);
    else if (word.to !== this.#room.tab) return;
    else if (word.kind === "offer") this.#offers.take(word.frames);
    else this.#takeWelcome(word.frames, word);
  }

  #acknowledge({ term, leader }: Reign): void {
    this.#reign = { term, leader };
    this.#count = null;
    if (this.#stream) this.#giveWay();
    else this.#greet();
  }

  #takeFrame(frame: Frame, count: number): void {
    if (this.#count === null) {
      if (frame.name === "connected") this.#greet(); // only now can it say what was missed here
    } else if (count === this.#count + 1) {
      this.#count = count;
      this.#hear(frame);
    } else if (count > this.#count) {
      this.#catchUp();
    }
  }

  #takeState(state: StreamState, count: number): void {
    if (this.#count !== null && count > this.#count) this.#catchUp();
    if (this.#count !== null || state !== "live") this.#followState(state);
  }

  #takeWelcome(frames: Frame[], now: { state: StreamState; count: number }): void {
    if (this.#count !== null) return;
    this.#count = now.count;
    this.#room.log("follows: another tab's stream serves this one");
    for (const frame of frames) this.#hear(frame, true);
    this.#followState(now.state);
  }

  #followState(state: StreamState): void {
    this.#show(state);
    if (state === "signed-out") this.stop();
  }

  /** Broadcasts were missed: a frozen tab, or a full one. */
  #catchUp(): void {
    this.#count = null;
    this.#offers.clear();
    this.#room.log("missed something: asks the tab that leads");
    this.#greet();
  }

  #greet(isWoken = false): void {
    if (this.#stream) return;
    this.#askedAt ??= this.#clock.now();
    this.#wire?.post({
      kind: "hello",
      tab: this.#room.tab,
      term: this.#reign.term,
      cursor: this.#recent.cursor,
      isWelcome: this.#count !== null,
      isWoken,
      attention: this.#room.attention(),
    });
  }

  #look(): void {
    const now = this.#clock.now();
    const verdict = judgeSilence({
      now,
      lookedAt: this.#lookedAt,
      heardAt: this.#heardAt,
      askedAt: this.#askedAt,
      patience: this.#patience,
    });
    this.#lookedAt = now;
    if (this.#stream) return; // it looks after itself
    if (verdict === "lead") this.#takeOver();
    else if (verdict === "ask") this.#askAgain();
    else if (this.#state !== "live" && this.#room.attention().isVisible) this.#greet();
  }

  #askAgain(): void {
    this.#askedAt = null; // what was asked before this tab stood still proves nothing
    this.#greet();
  }

  #takeOver(): void {
    this.#room.log("the tab that leads does not answer: takes over");
    this.#askedAt = this.#clock.now();
    this.#ask(true);
  }

  // Both

  #leave(): void {
    this.#cancelLook?.();
    this.#cancelLook = null;
    this.#wire?.post({ kind: "bye", tab: this.#room.tab });
    this.#stepDown();
    this.#wire?.close();
    this.#wire = null;
  }

  #hear(frame: Frame, isOld = false): void {
    const isKnown = !this.#stream && frame.name === "event" && this.#recent.isPast(frame.id);
    this.#recent.take(frame);
    if (!isKnown) this.#listener.hear(frame);
    if (frame.name === "event") {
      const { told } = frame;
      if (told.type === "organization.deleted") {
        this.#offers.retain((kept) => !isWithin(kept.told, told));
      }
      if (!isOld) this.#offers.add(frame);
    } else if (frame.name === "revoked" || frame.name === "connected") {
      this.#offers.retain((kept) => this.#listener.mayTell(kept));
    }
  }

  #show(told: StreamState): void {
    this.#wasLive ||= told === "live";
    const state = told === "connecting" && this.#wasLive ? "reconnecting" : told;
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.show(state);
  }
}
