// Elect the tab that holds a lock over a BroadcastChannel, where a browser gives no Web Locks.
//
//   claim  the sender wants the lock; the holder answers, and so does an older claim
//   held   the sender has had the lock since then
//   free   the sender has released it
//
// Of two tabs that both believe to hold it, because one was frozen or slow to answer, the newer one
// keeps it, as if it had stolen it. A holder that crashed is found out by its followers, who steal.

import type { Cancel, Clock } from "../clock";
import type { LeaderLock, LockCallbacks } from "./leader";

const CLAIM_TIMEOUT = 250; // ms without an objection; a tab answers in a few, a busy one in dozens

export type LockMessage =
  | { kind: "claim"; tab: string; at: number } // ms since 1970
  | { kind: "held"; tab: string; at: number }
  | { kind: "free"; tab: string };

/** The BroadcastChannel on which tabs elect the holder of one lock. */
export interface LockChannel {
  post(message: LockMessage): void;
  close(): void;
}

/** A lock that the tabs of a browser give each other. */
export class ElectedLock implements LeaderLock {
  readonly #tab: string;
  readonly #clock: Clock;
  readonly #openChannel: (onMessage: (message: LockMessage) => void) => LockChannel;
  #channel: LockChannel | null = null;
  #callbacks: LockCallbacks | null = null; // null: this tab does not want the lock
  #claimedAt = 0;
  #heldSince: number | null = null; // null: not held by this tab
  #newestHeld = 0; // ms since 1970; when any tab last became the holder
  #cancelTimeout: Cancel | null = null; // null: not claiming

  constructor(
    tab: string,
    clock: Clock,
    openChannel: (onMessage: (message: LockMessage) => void) => LockChannel,
  ) {
    this.#tab = tab;
    this.#clock = clock;
    this.#openChannel = openChannel;
  }

  request(isStealing: boolean, callbacks: LockCallbacks): void {
    this.#withdraw();
    this.#channel ??= this.#openChannel((message) => this.#onMessage(message));
    this.#callbacks = callbacks;
    if (isStealing) this.#acquire();
    else this.#claim();
  }

  release(): void {
    this.#withdraw();
    this.#channel?.close();
    this.#channel = null;
  }

  #withdraw(): void {
    this.#cancelClaim();
    this.#callbacks = null;
    if (this.#heldSince === null) return;
    this.#heldSince = null;
    this.#channel?.post({ kind: "free", tab: this.#tab });
  }

  #claim(): void {
    this.#claimedAt = this.#clock.now();
    this.#postClaim();
    this.#awaitObjection(CLAIM_TIMEOUT);
  }

  #postClaim(): void {
    this.#channel?.post({ kind: "claim", tab: this.#tab, at: this.#claimedAt });
  }

  #awaitObjection(timeout: number): void {
    this.#cancelClaim();
    this.#cancelTimeout = this.#clock.after(timeout, () => this.#acquire());
  }

  #cancelClaim(): void {
    this.#cancelTimeout?.();
    this.#cancelTimeout = null;
  }

  #acquire(): void {
    this.#cancelClaim();
    this.#heldSince = this.#newestHeld = Math.max(this.#clock.now(), this.#newestHeld + 1);
    this.#postHeld();
    this.#callbacks?.onAcquired();
  }

  #postHeld(): void {
    if (this.#heldSince !== null)
      this.#channel?.post({ kind: "held", tab: this.#tab, at: this.#heldSince });
  }

  #onMessage(message: LockMessage): void {
    if (!this.#callbacks) return;
    switch (message.kind) {
      case "claim":
        this.#onClaim(message);
        break;
      case "held":
        this.#onHeld(message);
        break;
      case "free":
        if (this.#heldSince === null) this.#claim();
        break;
      default:
        message satisfies never;
    }
  }

  #onClaim(claim: { tab: string; at: number }): void {
    if (this.#heldSince !== null) this.#postHeld();
    else if (this.#cancelTimeout === null) return;
    else if (isBefore({ tab: this.#tab, at: this.#claimedAt }, claim)) this.#postClaim();
    else this.#awaitObjection(2 * CLAIM_TIMEOUT); // the older claim succeeds, or its tab is gone
  }

  #onHeld(held: { tab: string; at: number }): void {
    this.#newestHeld = Math.max(this.#newestHeld, held.at);
    this.#cancelClaim();
    if (this.#heldSince === null) return;
    if (isBefore(held, { tab: this.#tab, at: this.#heldSince })) {
      this.#postHeld(); // a holder that was replaced without noticing
      return;
    }
    this.#heldSince = null;
    this.#callbacks?.onLost();
  }
}

function isBefore(a: { tab: string; at: number }, b: { tab: string; at: number }): boolean {
  return a.at !== b.at ? a.at < b.at : a.tab < b.tab;
}
