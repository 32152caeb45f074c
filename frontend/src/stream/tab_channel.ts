// The browser's own means for sharing a stream: Web Locks and a BroadcastChannel.

import type { Attention, TabMessage } from "./tab_messages";
import type { LockCallbacks, LeaderLock, TabChannel } from "./leader";

const PROTOCOL_VERSION = 1; // raise it with the form of posts: tabs from before an upgrade keep to themselves
const SESSION_CHANNEL = "deskwire"; // where every tab hears who is signed in, whoever it was made for

/** Whether this browser can share a stream. Over plain http, but for localhost, it has no locks. */
export function canShareStream(): boolean {
  return "locks" in navigator && "BroadcastChannel" in window;
}

/** The name of wire and lock: no frame crosses from one session, or one URL, to another. */
export function channelName(session: string, url: string): string {
  return `${SESSION_CHANNEL}:${PROTOCOL_VERSION}:${session}:${url}`;
}

/** A name for this tab that no other has. */
export function createTabId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (one) => one.toString(36)).join("");
}

export function openTabChannel(name: string, onMessage: (post: TabMessage) => void): TabChannel {
  const channel = new BroadcastChannel(name);
  channel.onmessage = (event: MessageEvent<TabMessage>) => onMessage(event.data);
  return { post: (message) => channel.postMessage(message), close: () => channel.close() };
}

export function openLeaderLock(name: string): LeaderLock {
  let drop = (): void => undefined;
  return {
    request(isForced, claim) {
      drop();
      drop = requestLock(name, isForced, claim);
    },
    release() {
      drop();
      drop = () => undefined;
    },
  };
}

/** Asks for the lock once; gives what withdraws the request, or lets go of the lock. */
function requestLock(name: string, isStealing: boolean, callbacks: LockCallbacks): () => void {
  const waiting = new AbortController();
  let isHeld = false;
  let isDropped = false;
  let letGo = (): void => undefined;
  const hold = (): Promise<void> => {
    if (isDropped) return Promise.resolve();
    const ended = new Promise<void>((resolve) => (letGo = resolve));
    isHeld = true;
    callbacks.onAcquired();
    return ended;
  };
  const options = isStealing ? { steal: true } : { signal: waiting.signal };
  navigator.locks.request(name, options, hold).catch(() => {
    if (isDropped) return;
    if (isHeld) callbacks.onLost();
    else callbacks.onUnavailable();
  });
  return () => {
    isDropped = true;
    letGo();
    waiting.abort();
  };
}

/** Follows whether this tab is seen, and since when it has the reader's attention. */
export function watchAttention(): () => Attention {
  let focusedAt = document.hasFocus() ? Date.now() : 0;
  addEventListener("focus", () => (focusedAt = Date.now()));
  return () => ({ isVisible: document.visibilityState === "visible", focusedAt });
}

/** Tells every tab of this browser which session this page is of, and hears it of the others. */
export function announceSession(
  session: string | null,
  onOtherSession: (other: string | null) => void,
): () => void {
  if (!("BroadcastChannel" in window)) return () => undefined;
  const channel = new BroadcastChannel(SESSION_CHANNEL);
  channel.onmessage = (event: MessageEvent<string | null>) => onOtherSession(event.data);
  const tell = (): void => channel.postMessage(session);
  tell();
  return tell;
}
