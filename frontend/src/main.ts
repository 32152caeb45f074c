// Starts the store on a page and gives it the browser: the only file that wires.

import { realClock } from "./clock";
import { configureHtmx, processHtmx, watchForms } from "./forms";
import type { FragmentAnswer } from "./fragments";
import { closeMenus, leaveMenu } from "./menus";
import { type Page, readPage } from "./page";
import { Store } from "./store";
import { type Live, type Outside, Stream } from "./stream";

const SIGN_IN = "/sign-in";

const outside: Outside = {
  open: (url) => new EventSource(url),
  probe: async (url) => (await fetch(url, { method: "HEAD", cache: "no-store" })).status,
  isOnline: () => navigator.onLine,
  log,
};

configureHtmx();
start(readPage(document.documentElement));

function start(page: Page): void {
  const store = new Store(page, realClock, {
    fetchFragment,
    process: processHtmx,
    leave: () => location.assign(SIGN_IN),
    isVisible: () => document.visibilityState === "visible",
    log,
  });
  const live = page.stream ? listen(page.stream, page.cursor, store) : null;
  store.start();
  watchForms(store, realClock, () => live?.state === "live");
  watchReader(store);
  if (live) watchBrowser(live, store);
  live?.start();
}

/** Where frames come from. A stream that several tabs share would take its place here. */
function listen(url: string, cursor: string | null, store: Store): Live {
  return new Stream(url, cursor, realClock, outside, store);
}

function watchBrowser(live: Live, store: Store): void {
  const wake = (): void => {
    if (document.hidden) return;
    live.wake();
    store.fragments.wake();
  };
  document.addEventListener("visibilitychange", wake);
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
    closeMenus(event.target as Node);
    const button = (event.target as Element).closest('[data-action="dismiss"]');
    if (button) store.toaster.dismiss(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (!leaveMenu()) store.toaster.dismissNewest();
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
