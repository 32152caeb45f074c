// The browser's own means for sharing a stream: Web Locks and a BroadcastChannel.

import type { Lock, Post, Wire } from "./tabs";

/** Whether this browser can share a stream between tabs. */
export function canShare(): boolean {
  return "locks" in navigator && "BroadcastChannel" in window;
}

/** Names carry the session's public id: a frame never crosses from one session to another. */
export function openWire(session: string): Wire {
  const channel = new BroadcastChannel(`deskwire:${session}`);
  return {
    post: (message) => channel.postMessage(message),
    hear(take) {
      channel.onmessage = (event: MessageEvent<Post>) => take(event.data);
    },
  };
}

export function openLock(session: string): Lock {
  let release: (() => void) | null = null;
  let waiting = new AbortController();
  return {
    request(isForced, held, lost) {
      waiting.abort();
      waiting = new AbortController();
      let isOurs = false;
      const hold = (): Promise<void> => {
        isOurs = true;
        const ended = new Promise<void>((resolve) => (release = resolve));
        held();
        return ended;
      };
      const options = isForced ? { steal: true } : { signal: waiting.signal };
      navigator.locks.request(`deskwire:${session}`, options, hold).catch(() => {
        if (isOurs) lost(); // an abort before that was ours
      });
    },
    release() {
      waiting.abort();
      release?.();
      release = null;
    },
  };
}
