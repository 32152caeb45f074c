// One stream for all tabs of a session: one of them leads, the others hear it through a channel.
//
//   follower ── the lock is free, or its holder does not answer ──→ leader (owns the Stream)
//   leader   ── another tab took the lock, or stop()            ──→ follower
//
// HTTP/1.1 allows six connections per origin: a seventh tab with a stream of its own would hang.
// Every tab keeps its own place and what it heard lately, so any of them can go on without a gap.
// Timers of hidden tabs come late, messages do not: followers ask, and the leader needs no timer.

import { Seen } from "./bursts";
import type { Cancel, Clock } from "./clock";
import type { EventFrame, Frame } from "./frames";
import {
  type Attention,
  compareReigns,
  type Hello,
  judgeSilence,
  LOOK,
  type Post,
  type Reign,
  whoIsLookedAt,
  type Word,
} from "./posts";
import { Recent } from "./recent";
import type { Listener, Live, Stream, StreamState } from "./stream";
import { Untold } from "./untold";

const PATIENCE = 4_000; // ms for the leader's answer; then it is frozen, or as good as
const SPREAD = 3_000; // ms; so that not all followers lose patience at once
const OFFERED = 3_000; // ms for a tab to show the toasts it was offered
const REMEMBERED = 500; // event ids whose toast was shown

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
  readonly #untold = new Untold();
  readonly #told = new Seen(REMEMBERED);
  readonly #roster = new Map<string, Attention>(); // of the others, while this tab leads
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
  #cancelOffer: Cancel | null = null;

  constructor(cursor: string | null, clock: Clock, room: Room, listener: TabListener) {
    this.#clock = clock;
    this.#room = room;
    this.#listener = listener;
    this.#recent = new Recent(cursor, room.channels);
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
    this.#lookAgain();
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
      this.#offer();
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
    this.#offer();
  }

  #passState(state: StreamState): void {
    this.#show(state);
    this.#sayState();
    if (state === "signed-out") this.#leave(); // and keep the lock: nobody is to lead any more
  }

  #takeHello(hello: Hello): void {
    this.#roster.set(hello.tab, hello.attention);
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
    this.#offer();
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
    this.#roster.clear();
    this.#untold.clear();
    this.#cancelOffer?.();
    this.#cancelOffer = null;
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
        this.#roster.delete(post.tab);
        break;
      case "told":
        post.ids.forEach((id) => this.#told.isNew(id));
        this.#untold.drop(post.ids);
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
    else if (word.kind === "offer") this.#takeOffer(word.to, word.frames);
    else if (word.kind === "welcome") this.#takeWelcome(word.to, word.frames, word);
    else this.#takeState(word.state, word.count);
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

  #takeWelcome(to: string, frames: Frame[], now: { state: StreamState; count: number }): void {
    if (to !== this.#room.tab || this.#count !== null) return;
    this.#count = now.count;
    this.#room.log("follows: another tab's stream serves this one");
    for (const frame of frames) this.#hear(frame, true);
    this.#followState(now.state);
  }

  #takeOffer(to: string, frames: EventFrame[]): void {
    // Whoever looked away meanwhile has said so, and the leader finds another.
    if (to === this.#room.tab && this.#room.attention().isVisible) this.#tell(frames);
  }

  #followState(state: StreamState): void {
    this.#show(state);
    if (state === "signed-out") this.stop();
  }

  /** Broadcasts were missed: a frozen tab, or a full one. */
  #catchUp(): void {
    this.#count = null;
    this.#untold.clear(); // some of it may have been told in what was missed
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

  #lookAgain(): void {
    this.#cancelLook = this.#clock.after(LOOK, () => {
      this.#look();
      if (this.#cancelLook) this.#lookAgain();
    });
  }

  #look(): void {
    const now = this.#clock.now();
    const { lookedAt, heardAt, askedAt } = {
      lookedAt: this.#lookedAt,
      heardAt: this.#heardAt,
      askedAt: this.#askedAt,
    };
    this.#lookedAt = now;
    if (this.#stream) return; // it looks after itself
    const patience = this.#patience;
    const verdict = judgeSilence({ now, lookedAt, heardAt, askedAt, patience });
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
      if (!isOld) this.#untold.add(frame, this.#clock.now());
    } else if (frame.name === "revoked" || frame.name === "connected") {
      this.#untold.retain((kept) => this.#listener.mayTell(kept));
    }
  }

  /** Gives what nobody was shown yet to the tab that is looked at, if there is one. */
  #offer(): void {
    const frames = this.#untold.all(this.#clock.now());
    if (!this.#stream || frames.length === 0) return;
    const here = this.#room.tab;
    const to = whoIsLookedAt(new Map([...this.#roster, [here, this.#room.attention()]]));
    if (to === here) this.#tell(frames);
    else if (to !== null) {
      this.#say({ kind: "offer", to, frames });
      this.#cancelOffer ??= this.#clock.after(OFFERED, () => this.#giveUpOn(to, frames));
    }
  }

  /** A tab that shows no toast is closed, crashed or frozen. */
  #giveUpOn(to: string, frames: readonly EventFrame[]): void {
    this.#cancelOffer = null;
    const left = new Set(this.#untold.all(this.#clock.now()).map(({ id }) => id));
    if (frames.some(({ id }) => left.has(id))) this.#roster.delete(to);
    this.#offer();
  }

  #tell(frames: readonly EventFrame[]): void {
    const ids = frames.map(({ id }) => id);
    for (const frame of frames) if (this.#told.isNew(frame.id)) this.#listener.tell(frame);
    this.#untold.drop(ids);
    this.#wire?.post({ kind: "told", ids });
  }

  #show(told: StreamState): void {
    this.#wasLive ||= told === "live";
    const state = told === "connecting" && this.#wasLive ? "reconnecting" : told;
    if (state === this.#state) return;
    this.#state = state;
    this.#listener.show(state);
  }
}
