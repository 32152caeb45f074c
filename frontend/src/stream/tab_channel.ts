// Connect tabs through a BroadcastChannel and, where the browser gives them, Web Locks.

import type { Clock } from "../clock";
import { ElectedLock, type LockMessage } from "./elected_lock";
import type { LeaderLock, LockCallbacks, TabChannel } from "./leader";
import type { Attention, TabMessage } from "./tab_messages";

// Raise it whenever tab_messages.ts changes, so that tabs opened before an upgrade stay separate.
const PROTOCOL_VERSION = 2;
const SESSION_CHANNEL = "deskwire"; // one for all sessions: tabs learn of a sign-in or sign-out

/** Return whether this browser can share a stream. */
export function canShareStream(): boolean {
  return "BroadcastChannel" in window;
}

/** Name the channel and the lock, so that no frame reaches another session or another URL. */
export function channelName(session: string, url: string): string {
  return `${SESSION_CHANNEL}:${PROTOCOL_VERSION}:${session}:${url}`;
}

/** Create a random id for this tab. */
export function createTabId(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(36)).join(
    "",
  );
}

/** Open the channel between the tabs that share a stream. */
export function openTabChannel(name: string, onMessage: (message: TabMessage) => void): TabChannel {
  return openChannel(name, onMessage);
}

/** Open the lock by which one tab at a time becomes the leader.
 *
 * Browsers give Web Locks on https and on localhost; elsewhere the tabs elect a leader.
 */
export function openLeaderLock(name: string, tab: string, clock: Clock): LeaderLock {
  return "locks" in navigator
    ? openWebLock(name)
    : new ElectedLock(tab, clock, (onMessage) =>
        openChannel<LockMessage>(`${name}:lock`, onMessage),
      );
}

function openChannel<Message>(
  name: string,
  onMessage: (message: Message) => void,
): { post(message: Message): void; close(): void } {
  const channel = new BroadcastChannel(name);
  channel.onmessage = (event: MessageEvent<Message>) => onMessage(event.data);
  return { post: (message) => channel.postMessage(message), close: () => channel.close() };
}

function openWebLock(name: string): LeaderLock {
  let releaseCurrent = (): void => undefined;
  return {
    request(isStealing, callbacks) {
      releaseCurrent();
      releaseCurrent = requestLock(name, isStealing, callbacks);
    },
    release() {
      releaseCurrent();
      releaseCurrent = () => undefined;
    },
  };
}

/** Request the lock once; return a function that withdraws the request or releases the lock. */
function requestLock(name: string, isStealing: boolean, callbacks: LockCallbacks): () => void {
  const controller = new AbortController();
  let isHeld = false;
  let isReleased = false;
  let endHold = (): void => undefined;
  const hold = (): Promise<void> => {
    if (isReleased) return Promise.resolve();
    const released = new Promise<void>((resolve) => (endHold = resolve));
    isHeld = true;
    callbacks.onAcquired();
    return released;
  };
  const options = isStealing ? { steal: true } : { signal: controller.signal };
  navigator.locks.request(name, options, hold).catch(() => {
    if (isReleased) return;
    if (isHeld) callbacks.onLost();
    else callbacks.onUnavailable();
  });
  return () => {
    isReleased = true;
    endHold();
    controller.abort();
  };
}

/** Track whether this tab is visible and when it was focused last. */
export function watchAttention(): () => Attention {
  let focusedAt = document.hasFocus() ? Date.now() : 0;
  addEventListener("focus", () => (focusedAt = Date.now()));
  return () => ({ isVisible: document.visibilityState === "visible", focusedAt });
}

/** Announce this page's session to all tabs of the browser, and listen for theirs.
 *
 * Returns a function that announces it again.
 */
export function announceSession(
  session: string | null,
  onOtherSession: (other: string | null) => void,
): () => void {
  if (!("BroadcastChannel" in window)) return () => undefined;
  const channel = new BroadcastChannel(SESSION_CHANNEL);
  channel.onmessage = (event: MessageEvent<string | null>) => onOtherSession(event.data);
  const announce = (): void => channel.postMessage(session);
  announce();
  return announce;
}
