// What a tab has heard lately: where it stands, and enough to bring another tab there too.

import { isReached } from "./cursor";
import type { Connected, EventFrame, Frame } from "./frames";
import { Held } from "../model/channels";

const KEPT = 300; // events; a page that was slower to load than these took reloads its parts

export class Recent {
  #cursor: string | null;
  #from: string | null; // every event after it is in `#events`
  #events: EventFrame[] = [];
  #connected: Connected | null = null;
  readonly #held: Held;

  constructor(cursor: string | null, channels: Iterable<string> | null) {
    this.#cursor = cursor;
    this.#from = cursor;
    this.#held = new Held(channels);
  }

  get cursor(): string | null {
    return this.#cursor;
  }

  /** Whether the page shows what is at `id` already. */
  isPast(id: string): boolean {
    return this.#cursor !== null && isReached(id, this.#cursor) === true;
  }

  take(frame: Frame): void {
    switch (frame.name) {
      case "connected":
        this.#connected = frame.told;
        if (frame.told.verdict === "resumed" && this.#cursor !== null) this.#move(frame.id);
        else this.#restart(frame.id);
        this.#retune(this.#held.replace(frame.told.channels));
        break;
      case "granted":
        this.#retune(this.#held.grant(frame.told.channels));
        break;
      case "revoked":
        this.#retune(this.#held.revoke(frame.told.channels));
        break;
      case "reset":
        this.#restart(frame.id);
        break;
      case "event":
        this.#keep(frame);
        break;
      case "notice":
        break; // of now: a tab that comes later reads what it shows
      case "tick":
      case "goodbye":
        this.#move(frame.id);
        break;
      default:
        frame satisfies never;
    }
  }

  /** What a page at `cursor` has missed, behind a first frame; null while nothing is known.
   *
   * If that is not all here any more, the first frame says `reset` and nothing follows.
   */
  since(cursor: string | null): Frame[] | null {
    const here = this.#cursor;
    if (this.#connected === null || here === null) return null;
    const isCovered =
      cursor !== null && this.#from !== null && isReached(this.#from, cursor) === true;
    const told: Connected = {
      ...this.#connected,
      verdict: isCovered ? "resumed" : "reset",
      because: null,
      channels: [...(this.#held.channels ?? [])],
      position: isCovered ? cursor : here,
    };
    const missed = isCovered ? this.#events.filter(({ id }) => !isReached(id, cursor)) : [];
    return [{ name: "connected", id: told.position, told }, ...missed];
  }

  #keep(frame: EventFrame): void {
    if (this.isPast(frame.id)) return;
    this.#move(frame.id);
    this.#events.push(frame);
    if (this.#events.length > KEPT) this.#from = this.#events.shift()?.id ?? this.#from;
  }

  /** Forward only: a page may be newer than the stream of the tab that leads. */
  #move(id: string): void {
    if (id && !this.isPast(id)) this.#cursor = id;
  }

  #restart(at: string): void {
    this.#cursor = at || this.#cursor;
    this.#from = this.#cursor;
    this.#events = [];
  }

  /** Nobody is handed what was taken away, nor told that nothing is missing of what is new. */
  #retune({ lost, gained }: { lost: string[]; gained: string[] }): void {
    if (lost.length + gained.length > 0) this.#restart("");
  }
}
