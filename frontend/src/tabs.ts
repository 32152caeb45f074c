// One stream for all tabs of a session: one of them leads, the others hear it through a channel.
//
//   follower ── the lock is free, or its holder is frozen ──→ leader (owns the Stream)
//   leader   ── another tab took the lock, or stop()     ──→ follower
//
// HTTP/1.1 allows six connections per origin: a seventh tab with its own stream would hang.
// A follower keeps its own cursor, so it can take over without a gap.

import type { Cancel, Clock } from "./clock";
import { isReached } from "./cursor";
import type { Frame } from "./frames";
import { Held } from "./held";
import type { Listener, Stream, StreamState } from "./stream";

const LOOK = 5_000; // ms between two looks of a follower
const SILENCE = 60_000; // ms without a word from the leader; it forwards a tick every 27 s
const PATIENCE = 10_000; // ms a visible tab bears a hidden leader (throttled) that is not live
const KEPT = 500; // events a leader can hand to a tab that was opened meanwhile

export type Post =
  | { kind: "frame"; frame: Frame }
  | { kind: "state"; state: StreamState; isHidden: boolean }
  | { kind: "hello"; tab: string; cursor: string | null }
  | { kind: "welcome"; tab: string; frames: Frame[] }
  | { kind: "wake" }
  | { kind: "signed-out" }
  | { kind: "shown"; id: string };

export interface Wire {
  post(message: Post): void;
  hear(take: (message: Post) => void): void;
}

/** Holds a lock of the session: `held` is called once it is ours, `lost` if another tab took it. */
export interface Lock {
  request(isForced: boolean, held: () => void, lost: () => void): void;
  release(): void;
}

export interface Room {
  tab: string;
  wire: Wire;
  lock: Lock;
  isHidden(): boolean;
  openStream(cursor: string | null, listener: Listener): Stream;
  /** Another tab showed the toast of an event. */
  shown(id: string): void;
}

export class Tabs {
  readonly #clock: Clock;
  readonly #room: Room;
  readonly #listener: Listener;
  #cursor: string | null;
  #state: StreamState = "connecting";
  #stream: Stream | null = null;
  #ring: Frame[] = [];
  #ringFrom: string | null = null; // the ring holds everything after it
  #connected: Extract<Frame, { name: "connected" }> | null = null;
  #held = new Held(null);
  #isWelcome = false;
  #isLeaderHidden = false;
  #heardAt = 0;
  #changedAt = 0;
  #cancelLook: Cancel | null = null;

  constructor(cursor: string | null, clock: Clock, room: Room, listener: Listener) {
    this.#cursor = cursor;
    this.#clock = clock;
    this.#room = room;
    this.#listener = listener;
    room.wire.hear((message) => this.#take(message));
  }

  get cursor(): string | null {
    return this.#stream?.cursor ?? this.#cursor;
  }

  get state(): StreamState {
    return this.#state;
  }

  get isLeader(): boolean {
    return this.#stream !== null;
  }

  start(): void {
    this.#heardAt = this.#changedAt = this.#clock.now();
    this.#lookAgain();
    this.#ask(false);
    this.#greet();
  }

  stop(): void {
    this.#cancelLook?.();
    this.#cancelLook = null;
    this.#follow();
    this.#room.lock.release();
  }

  wake(): void {
    if (this.#stream) this.#stream.wake();
    else this.#room.wire.post({ kind: "wake" });
  }

  sleep(): void {
    this.#stream?.sleep();
  }

  /** The session has ended, here and in every other tab. */
  end(): void {
    this.#room.wire.post({ kind: "signed-out" });
    this.#quit();
  }

  /** Tells followers whether this tab's timers are throttled. */
  tellVisibility(): void {
    if (this.#stream) this.#postState();
  }

  /** This tab showed the toast of an event where the person could see it. */
  tellShown(id: string): void {
    this.#room.wire.post({ kind: "shown", id });
  }

  #quit(): void {
    this.stop();
    this.#show("signed-out");
  }

  #ask(isForced: boolean): void {
    this.#room.lock.request(
      isForced,
      () => this.#lead(),
      () => {
        this.#follow();
        this.#ask(false);
        this.#greet();
      },
    );
  }

  #lead(): void {
    if (this.#stream || !this.#cancelLook) return;
    this.#ring = [];
    this.#ringFrom = this.#cursor;
    this.#connected = null;
    this.#stream = this.#room.openStream(this.#cursor, {
      hear: (frame) => this.#pass(frame),
      show: (state) => {
        this.#show(state);
        this.#postState();
        if (state === "signed-out") this.end();
      },
    });
    this.#stream.start();
    this.#postState();
  }

  #follow(): void {
    this.#cursor = this.cursor;
    this.#stream?.stop();
    this.#stream = null;
    this.#isWelcome = false;
    this.#heardAt = this.#clock.now();
  }

  #pass(frame: Frame): void {
    this.#remember(frame);
    this.#room.wire.post({ kind: "frame", frame });
    this.#listener.hear(frame);
  }

  #remember(frame: Frame): void {
    if (frame.id) this.#cursor = frame.id;
    if (frame.name === "connected") {
      this.#connected = frame;
      this.#held.replace(frame.told.channels);
    }
    if (frame.name === "granted") this.#held.grant(frame.told.channels);
    if (frame.name === "revoked") this.#held.revoke(frame.told.channels);
    const isReset = frame.name === "connected" && frame.told.verdict === "reset";
    if (frame.name === "revoked" || isReset) {
      this.#ring = []; // nobody may be handed what was taken away meanwhile
      this.#ringFrom = this.#cursor;
    }
    if (frame.name !== "event") return;
    this.#ring.push(frame);
    if (this.#ring.length > KEPT) this.#ringFrom = this.#ring.shift()?.id ?? this.#ringFrom;
  }

  #take(message: Post): void {
    if (message.kind === "shown") this.#room.shown(message.id);
    else if (message.kind === "signed-out") this.#quit();
    else if (this.#stream) this.#takeAsLeader(message);
    else this.#takeAsFollower(message);
  }

  #takeAsLeader(message: Post): void {
    if (message.kind === "wake") this.#stream?.wake();
    if (message.kind === "hello") {
      const frames = this.#gapFor(message.cursor);
      if (frames) this.#room.wire.post({ kind: "welcome", tab: message.tab, frames });
      this.#postState();
    }
  }

  #takeAsFollower(message: Post): void {
    if (!this.#cancelLook) return;
    this.#heardAt = this.#clock.now();
    if (message.kind === "state") {
      this.#isLeaderHidden = message.isHidden;
      if (this.#isWelcome || message.state !== "live") this.#show(message.state);
    } else if (message.kind === "welcome" && message.tab === this.#room.tab) {
      this.#isWelcome = true;
      message.frames.forEach((frame) => this.#accept(frame));
      this.#show("live");
    } else if (message.kind === "frame" && message.frame.name === "connected") {
      this.#greet(); // another leader, or another place: only it can say what was missed here
    } else if (message.kind === "frame" && this.#isWelcome) {
      this.#accept(message.frame);
    }
  }

  #accept(frame: Frame): void {
    if (frame.id) this.#cursor = frame.id;
    this.#listener.hear(frame);
  }

  /** What a tab at `cursor` has missed, behind a first frame; null while nothing is connected. */
  #gapFor(cursor: string | null): Frame[] | null {
    const first = this.#connected;
    if (!first) return null;
    const here = this.#cursor ?? first.id;
    const isCovered = cursor !== null && isReached(this.#ringFrom ?? here, cursor) === true;
    const events = isCovered ? this.#ring.filter(({ id }) => isReached(id, cursor) === false) : [];
    const channels = [...(this.#held.channels ?? [])];
    const verdict = isCovered ? "resumed" : "reset";
    const told = { ...first.told, verdict, because: null, channels, position: here } as const;
    const at = isCovered ? cursor : here;
    return [{ name: "connected", id: at, told }, ...events];
  }

  #greet(): void {
    if (this.#stream) return;
    this.#isWelcome = false;
    this.#room.wire.post({ kind: "hello", tab: this.#room.tab, cursor: this.#cursor });
  }

  #lookAgain(): void {
    this.#cancelLook = this.#clock.after(LOOK, () => {
      this.#look();
      if (this.#cancelLook) this.#lookAgain();
    });
  }

  #look(): void {
    if (this.#stream || this.#room.isHidden()) return;
    const now = this.#clock.now();
    const limit = this.#isWelcome || this.#state !== "connecting" ? SILENCE : LOOK;
    const isSilent = now - this.#heardAt >= limit;
    const isUnlive = this.#state !== "live" && now - this.#changedAt >= PATIENCE;
    if (isSilent || (isUnlive && this.#isLeaderHidden)) this.#ask(true);
  }

  #postState(): void {
    const isHidden = this.#room.isHidden();
    this.#room.wire.post({ kind: "state", state: this.#state, isHidden });
  }

  #show(state: StreamState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#changedAt = this.#clock.now();
    this.#listener.show(state);
  }
}
