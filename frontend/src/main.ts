// Start the page: build the store, the stream and the forms, and give them the browser's functions.

import { realClock } from "./clock";
import { watchFileInputs } from "./forms/file_picker";
import { configureHtmx, processHtmx, watchHtmxForms } from "./forms/htmx";
import { watchInlineEdit } from "./forms/inline_edit";
import { postFields } from "./forms/sending";
import { watchForms, type WatchedForms, watchOnceForms } from "./forms/watch";
import { loadCatalog } from "./i18n";
import { isOwnStream } from "./model/channels";
import { type Page, readPage } from "./page";
import type { FragmentResponse } from "./store/fragments";
import { Store } from "./store/store";
import { SharedStream, type TabEnvironment } from "./stream/leader";
import {
  Stream,
  type StreamConnection,
  type StreamEnvironment,
  type StreamListener,
} from "./stream/stream";
import * as tabChannel from "./stream/tab_channel";
import { compareSessions } from "./stream/tab_messages";
import { watchCopyButtons } from "./ui/clipboard";
import { setUnread } from "./ui/dom";
import { closeMenus, dismissMenu } from "./ui/menus";
import { setTimeZone } from "./ui/times";

const SIGN_IN_URL = "/sign-in";
const PROBE_TIMEOUT = 10_000; // ms; a server that takes longer is not there
const FORM_ANSWER_TIMEOUT = 5000; // ms; a form that ends its session redirects by then

configureHtmx();
loadCatalog(document);
startPage(readPage(document.documentElement));

function startPage(page: Page): void {
  setTimeZone(page.timeZone);
  let connection: StreamConnection | null = null;
  let isNavigating = false; // a form was submitted as a page; its response decides where to go
  addEventListener("submit", (event) => (isNavigating ||= !event.defaultPrevented));
  let forms: WatchedForms | null = null;
  const log = (line: string): void => {
    const isFollower = connection instanceof SharedStream && !connection.isLeader;
    logLine(isFollower ? `${line} (through another tab)` : line);
  };
  const store = new Store(page, realClock, {
    fetchFragment,
    processHtmx,
    goToSignIn: () =>
      void realClock.after(isNavigating ? FORM_ANSWER_TIMEOUT : 0, () =>
        location.assign(SIGN_IN_URL),
      ),
    isVisible: () => document.visibilityState === "visible",
    log,
    onReply: (ticket) => {
      forms?.showCollision(ticket);
      onReply(ticket);
    },
    onConnected: () => forms?.wake(),
  });
  if (page.streamUrl) connection = openConnection(page, page.streamUrl, store, log);
  store.start();
  forms = openForms(page, store);
  watchOnceForms();
  watchFileInputs();
  watchCopyButtons();
  watchInlineEdit(fetchFragment, processHtmx);
  watchHtmxForms(store, realClock, () => connection?.state === "live");
  watchDismissals(store);
  if (connection) watchTabLifecycle(connection, store);
  connection?.start();
  watchSession(page, connection);
}

/** Share one stream with the other tabs; without a channel to them, open one for this tab. */
function openConnection(
  page: Page,
  url: string,
  store: Store,
  log: StreamEnvironment["log"],
): StreamConnection {
  const streamEnvironment: StreamEnvironment = {
    openEventSource: (from) => new EventSource(from),
    probeStatus,
    isOnline: () => navigator.onLine,
    belongsToReader: (channels) => isOwnStream(channels, page.readerIds),
    log,
  };
  const open = (cursor: string | null, listener: StreamListener): Stream =>
    new Stream(url, cursor, realClock, streamEnvironment, listener);
  if (page.sessionId === null || !tabChannel.canShareStream())
    return open(page.cursor, createUnsharedListener(store));
  const name = tabChannel.channelName(page.sessionId, url);
  const { channels } = page;
  const tabId = tabChannel.createTabId();
  const tabEnvironment: TabEnvironment = {
    tabId,
    channels,
    lock: tabChannel.openLeaderLock(name, tabId, realClock),
    openChannel: (onMessage) => tabChannel.openTabChannel(name, onMessage),
    openStream: open,
    readAttention: tabChannel.watchAttention(),
    log: logLine, // about the tab itself, so without "(through another tab)"
  };
  return new SharedStream(page.cursor, realClock, tabEnvironment, store);
}

/** Show every toast in a tab that has its own stream. */
function createUnsharedListener(store: Store): StreamListener {
  return {
    onFrame(frame) {
      store.onFrame(frame);
      if (frame.name === "event") store.showToast(frame);
    },
    onStateChange: (state) => store.onStateChange(state),
  };
}

async function probeStatus(url: string): Promise<number> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT);
  return (await fetch(url, { method: "HEAD", cache: "no-store", signal })).status;
}

function watchTabLifecycle(connection: StreamConnection, store: Store): void {
  const onAttention = (): void => {
    if (document.hidden) {
      connection.onHidden();
    } else {
      connection.wake();
      store.fragments.wake();
    }
  };
  document.addEventListener("visibilitychange", onAttention);
  addEventListener("focus", onAttention);
  addEventListener("online", () => connection.wake());
  addEventListener("offline", () => connection.onOffline());
  // A frozen tab would keep the lock without answering, so it releases it before.
  addEventListener("pagehide", () => connection.stop());
  document.addEventListener("freeze", () => connection.stop());
  document.addEventListener("resume", () => connection.start());
  addEventListener("pageshow", (event) => {
    if (event.persisted) connection.start();
  });
}

/** Leave the page when another person signs in, or this one signs out, in another tab. */
function watchSession({ sessionId, streamUrl }: Page, connection: StreamConnection | null): void {
  const announce = tabChannel.announceSession(sessionId, (other) => {
    const action = compareSessions(sessionId, other);
    if (action === "leave") leavePage(connection, location.pathname + location.search);
    else if (action === "announce") announce();
    else if (action === "probe" && streamUrl && connection?.state !== "signed-out")
      void checkSession(streamUrl, connection);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) announce();
  });
}

async function checkSession(url: string, connection: StreamConnection | null): Promise<void> {
  const status = await probeStatus(url).catch(() => 0);
  if (status === 401) leavePage(connection, SIGN_IN_URL);
}

function leavePage(connection: StreamConnection | null, next: string): void {
  connection?.stop();
  document.body.replaceChildren();
  location.replace(next);
}

function watchDismissals(store: Store): void {
  document.addEventListener("click", (event) => {
    closeMenus(event.target as Node);
    const button = (event.target as Element).closest('[data-action="dismiss"]');
    if (button) store.toaster.dismiss(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    if (!dismissMenu()) store.toaster.dismissNewest();
  });
}

async function fetchFragment(url: string, ids: string): Promise<FragmentResponse> {
  const headers = { "X-Deskwire-Fragment": ids, Accept: "text/html" };
  const response = await fetch(url, { headers, cache: "no-store", credentials: "same-origin" });
  const { status, redirected: isRedirected } = response;
  return { status, isRedirected, text: await response.text() };
}

/** Mark a ticket with a new reply as read if its page is visible here, else as unread in lists. */
function onReply(ticket: string): void {
  const page = document.querySelector<HTMLElement>(
    `[data-ticket="${CSS.escape(ticket)}"][data-read]`,
  );
  if (page && document.visibilityState === "visible")
    void postFields(page.dataset["read"] ?? "", []);
  else setUnread(ticket, true);
}

/** Watch the forms of a signed-in person; other pages have none whose text is kept. */
function openForms({ personId, streamUrl }: Page, store: Store): WatchedForms | null {
  if (personId === null || streamUrl === null) return null;
  return watchForms({
    store,
    clock: realClock,
    person: personId,
    createTabId: tabChannel.createTabId,
    probeStatus: () => probeStatus(streamUrl),
  });
}

function logLine(line: string): void {
  console.info(`[SSE] ${line}`);
}
