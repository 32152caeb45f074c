// What a tab has heard lately: where it stands, and enough to bring another tab there too.

import { isAtOrBefore } from "./cursor";
import type { Connected, EventFrame, Frame } from "./frames";
import { ChannelSet } from "../model/channels";

const CAPACITY = 300; // events; a page that was slower to load than these took reloads its parts

export class ReplayBuffer {
  #cursor: string | null;
  #coveredFrom: string | null; // every event after it is in `#events`
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

  /** Whether the page shows what is at `id` already. */
  hasReached(id: string): boolean {
    return this.#cursor !== null && isAtOrBefore(id, this.#cursor) === true;
  }

  record(frame: Frame): void {
    switch (frame.name) {
      case "connected":
        this.#connected = frame.told;
        if (frame.told.verdict === "resumed" && this.#cursor !== null)
          this.#advanceCursor(frame.id);
        else this.#reset(frame.id);
        this.#applyChannelDiff(this.#channels.replace(frame.told.channels));
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
        break; // of now: a tab that comes later reads what it shows
      case "tick":
      case "goodbye":
        this.#advanceCursor(frame.id);
        break;
      default:
        frame satisfies never;
    }
  }

  /** What a page at `cursor` has missed, behind a first frame; null while nothing is known.
   *
   * If that is not all here any more, the first frame says `reset` and nothing follows.
   */
  replaySince(cursor: string | null): Frame[] | null {
    const here = this.#cursor;
    if (this.#connected === null || here === null) return null;
    const isCovered =
      cursor !== null &&
      this.#coveredFrom !== null &&
      isAtOrBefore(this.#coveredFrom, cursor) === true;
    const told: Connected = {
      ...this.#connected,
      verdict: isCovered ? "resumed" : "reset",
      because: null,
      channels: [...(this.#channels.channels ?? [])],
      position: isCovered ? cursor : here,
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

  /** Forward only: a page may be newer than the stream of the tab that leads. */
  #advanceCursor(id: string): void {
    if (id && !this.hasReached(id)) this.#cursor = id;
  }

  #reset(cursor: string): void {
    this.#cursor = cursor || this.#cursor;
    this.#coveredFrom = this.#cursor;
    this.#events = [];
  }

  /** Nobody is handed what was taken away, nor told that nothing is missing of what is new. */
  #applyChannelDiff({ lost, gained }: { lost: string[]; gained: string[] }): void {
    if (lost.length + gained.length > 0) this.#reset("");
  }
}
