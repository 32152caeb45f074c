// Buffer a tab's latest events with its cursor, to replay them to another tab.

import { type ChannelDiff, ChannelSet } from "../model/channels";
import { isAtOrBefore } from "./cursor";
import type { Connected, EventFrame, Frame } from "./frames";

const CAPACITY = 300; // events; a tab that has missed more reloads its fragments

/** The cursor, channels and latest events of one tab. */
export class ReplayBuffer {
  #cursor: string | null;
  #coveredFrom: string | null; // every event after this cursor is in `#events`
  #events: EventFrame[] = [];
  #connected: Connected | null = null;
  readonly #channels: ChannelSet;

  constructor(cursor: string | null, channels: Iterable<string> | null) {
    this.#cursor = cursor;
    this.#coveredFrom = cursor;
    this.#channels = new ChannelSet(channels);
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  /** Return whether the page already has the event with cursor `id`. */
  hasReached(id: string): boolean {
    return this.#cursor !== null && isAtOrBefore(id, this.#cursor) === true;
  }

  /** Record a frame: its cursor, its event, or the channels it changes. */
  record(frame: Frame): void {
    switch (frame.name) {
      case "connected":
        this.#connected = frame.told;
        if (frame.told.verdict === "resumed" && this.#cursor !== null)
          this.#advanceCursor(frame.id);
        else this.#reset(frame.id);
        this.#applyChannelDiff(this.#channels.connect(frame.told));
        break;
      case "granted":
        this.#applyChannelDiff(this.#channels.grant(frame.told.channels));
        break;
      case "revoked":
        this.#applyChannelDiff(this.#channels.revoke(frame.told.channels));
        break;
      case "reset":
        this.#reset(frame.id);
        break;
      case "event":
        this.#append(frame);
        break;
      case "notice":
        break; // not replayed: a tab that joins later loads current data
      case "tick":
      case "goodbye":
        this.#advanceCursor(frame.id);
        break;
      default:
        frame satisfies never;
    }
  }

  /** Replay to a tab at `cursor`: a `connected` frame, then the events it has missed.
   *
   * If the buffer does not reach back that far, the outcome is `reset` and no events follow. Null
   * before this tab has connected.
   */
  replaySince(cursor: string | null): Frame[] | null {
    const current = this.#cursor;
    if (this.#connected === null || current === null) return null;
    const isCovered =
      cursor !== null &&
      this.#coveredFrom !== null &&
      isAtOrBefore(this.#coveredFrom, cursor) === true;
    const told: Connected = {
      type: "connected",
      verdict: isCovered ? "resumed" : "reset",
      because: null,
      seat: this.#connected.seat,
      position: isCovered ? cursor : current,
      ...this.#channels.told(this.#connected.channels),
    };
    const missed = isCovered ? this.#events.filter(({ id }) => !isAtOrBefore(id, cursor)) : [];
    return [{ name: "connected", id: told.position, told }, ...missed];
  }

  #append(frame: EventFrame): void {
    if (this.hasReached(frame.id)) return;
    this.#advanceCursor(frame.id);
    this.#events.push(frame);
    if (this.#events.length > CAPACITY)
      this.#coveredFrom = this.#events.shift()?.id ?? this.#coveredFrom;
  }

  /** Move the cursor forward, never back: a page can be newer than the leader's stream. */
  #advanceCursor(id: string): void {
    if (id && !this.hasReached(id)) this.#cursor = id;
  }

  #reset(cursor: string): void {
    this.#cursor = cursor || this.#cursor;
    this.#coveredFrom = this.#cursor;
    this.#events = [];
  }

  /** Empty the buffer when channels change.
   *
   * Events of a lost channel must not be replayed, and older events of a gained channel are not in
   * the buffer.
   */
  #applyChannelDiff(diff: ChannelDiff | null): void {
    if (diff === null || diff.lost.length + diff.gained.length > 0) this.#reset("");
  }
}
