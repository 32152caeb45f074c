// Starts the store on a page and gives it the browser: the only file that wires.

import { realClock } from "./clock";
import { configureHtmx, processHtmx, watchForms } from "./forms";
import type { FragmentAnswer } from "./fragments";
import { type Page, readPage } from "./page";
import { canShare, openLock, openWire } from "./room";
import { Store } from "./store";
import { type Listener, Stream } from "./stream";
import { Tabs } from "./tabs";

const SIGN_IN = "/sign-in";

configureHtmx();
start(readPage(document.documentElement));

function start(page: Page): void {
  let live: Tabs | Stream | null = null;
  const store = new Store(page, realClock, {
    fetchFragment,
    process: processHtmx,
    leave: () => location.assign(SIGN_IN),
    isVisible: () => document.visibilityState === "visible",
    shown: (id) => live instanceof Tabs && live.tellShown(id),
    log,
  });
  store.start();
  watchForms(store, realClock, () => live?.state === "live");
  watchReader(store);
  if (page.stream) {
    live = canShare() ? shared(page, page.stream, store) : stream(page.stream, page.cursor, store);
    live.start();
    watchBrowser(live, store);
  }
  const look = (): object => ({
    ...store.state,
    cursor: live?.cursor ?? null,
    isLeader: !(live instanceof Tabs) || live.isLeader,
  });
  Object.defineProperty(window, "deskwire", { value: Object.freeze({ state: look }) });
}

function shared(page: Page, url: string, store: Store): Tabs {
  return new Tabs(
    page.cursor,
    realClock,
    {
      tab: crypto.randomUUID?.() ?? String(Math.random()), // no UUIDs over plain http
      wire: openWire(page.session),
      lock: openLock(page.session),
      isHidden: () => document.hidden,
      openStream: (cursor, listener) => stream(url, cursor, listener),
      shown: (id) => document.hidden && store.toaster.forget(id),
    },
    store,
  );
}

function stream(url: string, cursor: string | null, listener: Listener): Stream {
  const outside = {
    open: (from: string) => new EventSource(from),
    probe: async (at: string) => (await fetch(at, { method: "HEAD", cache: "no-store" })).status,
    isOnline: () => navigator.onLine,
    log,
  };
  return new Stream(url, cursor, realClock, outside, listener);
}

function watchBrowser(live: Tabs | Stream, store: Store): void {
  const wake = (): void => {
    if (document.hidden) return;
    live.wake();
    store.fragments.wake();
  };
  document.addEventListener("visibilitychange", () => {
    if (live instanceof Tabs) live.tellVisibility();
    wake();
  });
  addEventListener("focus", wake);
  addEventListener("online", () => live.wake());
  addEventListener("offline", () => live.sleep());
  addEventListener("pagehide", () => live.stop());
  addEventListener("pageshow", (event) => {
    if (event.persisted) live.start();
  });
}

function watchReader(store: Store): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest('[data-action="dismiss"]');
    if (button) store.toaster.dismiss(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) store.toaster.dismissNewest();
  });
}

async function fetchFragment(url: string, ids: string): Promise<FragmentAnswer> {
  const headers = { "X-Deskwire-Fragment": ids, Accept: "text/html" };
  const answer = await fetch(url, { headers, cache: "no-store", credentials: "same-origin" });
  return { status: answer.status, isElsewhere: answer.redirected, text: await answer.text() };
}

function log(line: string): void {
  console.info(`[SSE] ${line}`);
}
