// Starts the store on a page and gives it the browser: the only file that wires.

import { watchFileInputs } from "./forms/file_picker";
import { realClock } from "./clock";
import { ReplyForms } from "./forms/reply_form";
import { watchCopyButtons } from "./ui/clipboard";
import { deleteDraft, saveDraft, restoreDrafts } from "./forms/drafts";
import { RequestForms } from "./forms/request_form";
import { configureHtmx, processHtmx, watchHtmxForms } from "./forms/htmx";
import type { FragmentResponse } from "./store/fragments";
import { isOwnStream } from "./model/channels";
import { watchInlineEdit } from "./forms/inline_edit";
import { closeMenus, dismissMenu } from "./ui/menus";
import { type Page, readPage } from "./page";
import { compareSessions } from "./stream/tab_messages";
import * as tabChannel from "./stream/tab_channel";
import { setUnread } from "./ui/dom";
import { postBody, type SubmitResult, uploadFile } from "./forms/sending";
import { loadCatalog } from "./i18n";
import { Store } from "./store/store";
import {
  type StreamListener,
  type StreamConnection,
  type StreamEnvironment,
  Stream,
} from "./stream/stream";
import { type TabEnvironment, SharedStream } from "./stream/leader";
import { setTimeZone } from "./ui/times";

const SIGN_IN_URL = "/sign-in";
const FORM_ANSWER_TIMEOUT = 5000; // ms in which a form that ends its own session is answered

configureHtmx();
loadCatalog(document);
startPage(readPage(document.documentElement));

function startPage(page: Page): void {
  setTimeZone(page.timeZone);
  let live: StreamConnection | null = null;
  let isGoing = false; // a form is on its way as a page, and its answer says where to
  addEventListener("submit", (event) => (isGoing ||= !event.defaultPrevented));
  let replied: (ticket: string) => void = () => {};
  const log = (line: string): void => {
    const isHeardOf = live instanceof SharedStream && !live.isLeader;
    logLine(isHeardOf ? `${line} (through another tab)` : line);
  };
  const store = new Store(page, realClock, {
    fetchFragment,
    processHtmx: processHtmx,
    goToSignIn: () =>
      void realClock.after(isGoing ? FORM_ANSWER_TIMEOUT : 0, () => location.assign(SIGN_IN_URL)),
    isVisible: () => document.visibilityState === "visible",
    log,
    onReply: (ticket) => replied(ticket),
  });
  if (page.streamUrl) live = openConnection(page, page.streamUrl, store, log);
  store.start();
  const compose = new ReplyForms(store.renderer, postFields, uploadFile, () => realClock.now());
  replied = (ticket) => {
    compose.showCollision(ticket);
    onReply(ticket);
  };
  watchMessageForms(compose, new RequestForms(uploadFile, submitAsPage, allowSubmit));
  watchFileInputs();
  watchCopyButtons();
  watchInlineEdit(fetchFragment, processHtmx);
  watchHtmxForms(store, realClock, () => live?.state === "live");
  watchDismissals(store);
  if (live) watchTabLifecycle(live, store);
  live?.start();
  watchSession(page, live);
}

/** Where frames come from: one stream for all tabs where the browser can, else one of its own. */
function openConnection(
  page: Page,
  url: string,
  store: Store,
  log: StreamEnvironment["log"],
): StreamConnection {
  const outside: StreamEnvironment = {
    openEventSource: (from) => new EventSource(from),
    probeStatus: probeStatus,
    isOnline: () => navigator.onLine,
    belongsToReader: (channels) => isOwnStream(channels, page.readerIds),
    log,
  };
  const open = (cursor: string | null, listener: StreamListener): Stream =>
    new Stream(url, cursor, realClock, outside, listener);
  if (page.sessionId === null || !tabChannel.canShareStream())
    return open(page.cursor, createUnsharedListener(store));
  const name = tabChannel.channelName(page.sessionId, url);
  const { channels } = page;
  const own: TabEnvironment = {
    tabId: tabChannel.createTabId(),
    channels,
    lock: tabChannel.openLeaderLock(name),
    openChannel: (take: Parameters<typeof tabChannel.openTabChannel>[1]) =>
      tabChannel.openTabChannel(name, take),
    openStream: open,
    readAttention: tabChannel.watchAttention(),
    log: logLine, // of the tabs themselves, so it needs no mark
  };
  return new SharedStream(page.cursor, realClock, own, store);
}

/** A tab that shares nothing shows every toast. */
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
  return (await fetch(url, { method: "HEAD", cache: "no-store" })).status;
}

function watchTabLifecycle(live: StreamConnection, store: Store): void {
  const look = (): void => {
    if (document.hidden) {
      live.onHidden();
    } else {
      live.wake();
      store.fragments.wake();
    }
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("focus", look);
  addEventListener("online", () => live.wake());
  addEventListener("offline", () => live.onOffline());
  // A frozen tab keeps its lock and answers nobody, so it leaves while it still can.
  addEventListener("pagehide", () => live.stop());
  document.addEventListener("freeze", () => live.stop());
  document.addEventListener("resume", () => live.start());
  addEventListener("pageshow", (event) => {
    if (event.persisted) live.start();
  });
}

/** Somebody else signed in or out in this browser: what is shown here is not theirs. */
function watchSession(
  { sessionId: session, streamUrl: stream }: Page,
  live: StreamConnection | null,
): void {
  const tell = tabChannel.announceSession(session, (other) => {
    const verdict = compareSessions(session, other);
    if (verdict === "leave") leavePage(live, location.pathname + location.search);
    else if (verdict === "announce") tell();
    else if (verdict === "probe" && stream && live?.state !== "signed-out")
      void checkSession(stream, live);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) tell();
  });
}

async function checkSession(stream: string, live: StreamConnection | null): Promise<void> {
  const status = await probeStatus(stream).catch(() => 0);
  if (status === 401) leavePage(live, SIGN_IN_URL);
}

function leavePage(live: StreamConnection | null, next: string): void {
  live?.stop();
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
  const answer = await fetch(url, { headers, cache: "no-store", credentials: "same-origin" });
  return { status: answer.status, isRedirected: answer.redirected, text: await answer.text() };
}

/** Something said was heard: read where its page is looked at, unread in every list. */
function onReply(ticket: string): void {
  const page = document.querySelector<HTMLElement>(
    `[data-ticket="${CSS.escape(ticket)}"][data-read]`,
  );
  if (page && document.visibilityState === "visible")
    void postFields(page.dataset["read"] ?? "", {});
  else setUnread(ticket, true);
}

function watchMessageForms(compose: ReplyForms, filing: RequestForms): void {
  restoreDrafts(localStorage);
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) restoreDrafts(localStorage); // browsers put theirs back after the scripts ran
  });
  document.addEventListener("input", ({ target }) => {
    const form = (target as HTMLInputElement).form;
    if (form) saveDraft(localStorage, form);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (compose.submit(form) || isDuplicateSubmit(form) || filing.submit(form))
      event.preventDefault();
    else if (form.method === "post") deleteDraft(localStorage, form);
  });
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>(
      '[data-action="retry"], [data-action="take-back"]',
    );
    if (button) compose.retryOrDiscard(button);
  });
}

/** Whether a form that is to be sent once is on its way already. */
function isDuplicateSubmit(form: HTMLFormElement): boolean {
  if (!("once" in form.dataset)) return false;
  const isSent = form.dataset["once"] === "sent";
  form.dataset["once"] = "sent";
  addEventListener("pageshow", () => allowSubmit(form), { once: true });
  return isSent;
}

function allowSubmit(form: HTMLFormElement): void {
  if ("once" in form.dataset) form.dataset["once"] = "";
}

/** As a page, past whoever listens for it. */
function submitAsPage(form: HTMLFormElement): void {
  deleteDraft(localStorage, form);
  form.submit();
}

async function postFields(
  url: string,
  fields: Record<string, string | string[]>,
): Promise<SubmitResult> {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) body.append(name, each);
  }
  return await postBody(url, body, () => {});
}

function logLine(line: string): void {
  console.info(`[SSE] ${line}`);
}
