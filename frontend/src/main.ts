// Starts the store on a page and gives it the browser: the only file that wires.

import { watchFiles } from "./forms/file_picker";
import { realClock } from "./clock";
import { type Answer, Compose } from "./forms/reply_form";
import { watchCopying } from "./ui/clipboard";
import { forgetDraft, keepDraft, restoreDrafts } from "./forms/drafts";
import { Filing } from "./forms/request_form";
import { configureHtmx, processHtmx, watchForms } from "./forms/htmx";
import type { FragmentAnswer } from "./store/fragments";
import { isOwnStream } from "./model/channels";
import { watchInPlace } from "./forms/inline_edit";
import { closeMenus, leaveMenu } from "./ui/menus";
import { type Page, readPage } from "./page";
import { judgeSession } from "./stream/tab_messages";
import * as room from "./stream/tab_channel";
import { markUnread } from "./ui/dom";
import { send, upload } from "./forms/sending";
import { speak } from "./i18n";
import { Store } from "./store/store";
import { type Listener, type Live, type Outside, Stream } from "./stream/stream";
import { Tabs } from "./stream/leader";
import { setZone } from "./ui/times";

const SIGN_IN = "/sign-in";
const ANSWERED = 5000; // ms in which a form that ends its own session is answered

configureHtmx();
speak(document);
start(readPage(document.documentElement));

function start(page: Page): void {
  setZone(page.zone);
  let live: Live | null = null;
  let isGoing = false; // a form is on its way as a page, and its answer says where to
  addEventListener("submit", (event) => (isGoing ||= !event.defaultPrevented));
  let replied: (ticket: string) => void = () => {};
  const log = (line: string): void => {
    const isHeardOf = live instanceof Tabs && !live.isLeader;
    say(isHeardOf ? `${line} (through another tab)` : line);
  };
  const store = new Store(page, realClock, {
    fetchFragment,
    process: processHtmx,
    leave: () => void realClock.after(isGoing ? ANSWERED : 0, () => location.assign(SIGN_IN)),
    isVisible: () => document.visibilityState === "visible",
    log,
    replied: (ticket) => replied(ticket),
  });
  if (page.stream) live = listen(page, page.stream, store, log);
  store.start();
  const compose = new Compose(store.screen, post, upload, () => realClock.now());
  replied = (ticket) => {
    compose.collide(ticket);
    noteReply(ticket);
  };
  watchWriting(compose, new Filing(upload, sendNow, letBeSent));
  watchFiles();
  watchCopying();
  watchInPlace(fetchFragment, processHtmx);
  watchForms(store, realClock, () => live?.state === "live");
  watchReader(store);
  if (live) watchBrowser(live, store);
  live?.start();
  watchSession(page, live);
}

/** Where frames come from: one stream for all tabs where the browser can, else one of its own. */
function listen(page: Page, url: string, store: Store, log: Outside["log"]): Live {
  const outside: Outside = {
    open: (from) => new EventSource(from),
    probe,
    isOnline: () => navigator.onLine,
    isOurs: (channels) => isOwnStream(channels, page.actors),
    log,
  };
  const open = (cursor: string | null, listener: Listener): Stream =>
    new Stream(url, cursor, realClock, outside, listener);
  if (page.session === null || !room.canShare()) return open(page.cursor, tellingAll(store));
  const name = room.roomName(page.session, url);
  const { channels } = page;
  const own = {
    tab: room.tabName(),
    channels,
    lock: room.openLock(name),
    openWire: (take: Parameters<typeof room.openWire>[1]) => room.openWire(name, take),
    openStream: open,
    attention: room.watchAttention(),
    log: say, // of the tabs themselves, so it needs no mark
  };
  return new Tabs(page.cursor, realClock, own, store);
}

/** A tab that shares nothing shows every toast. */
function tellingAll(store: Store): Listener {
  return {
    hear(frame) {
      store.hear(frame);
      if (frame.name === "event") store.tell(frame);
    },
    show: (state) => store.show(state),
  };
}

async function probe(url: string): Promise<number> {
  return (await fetch(url, { method: "HEAD", cache: "no-store" })).status;
}

function watchBrowser(live: Live, store: Store): void {
  const look = (): void => {
    if (document.hidden) {
      live.rest();
    } else {
      live.wake();
      store.fragments.wake();
    }
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("focus", look);
  addEventListener("online", () => live.wake());
  addEventListener("offline", () => live.sleep());
  // A frozen tab keeps its lock and answers nobody, so it leaves while it still can.
  addEventListener("pagehide", () => live.stop());
  document.addEventListener("freeze", () => live.stop());
  document.addEventListener("resume", () => live.start());
  addEventListener("pageshow", (event) => {
    if (event.persisted) live.start();
  });
}

/** Somebody else signed in or out in this browser: what is shown here is not theirs. */
function watchSession({ session, stream }: Page, live: Live | null): void {
  const tell = room.openPorch(session, (other) => {
    const verdict = judgeSession(session, other);
    if (verdict === "leave") drop(live, location.pathname + location.search);
    else if (verdict === "tell") tell();
    else if (verdict === "ask" && stream && live?.state !== "signed-out") void ask(stream, live);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) tell();
  });
}

async function ask(stream: string, live: Live | null): Promise<void> {
  const status = await probe(stream).catch(() => 0);
  if (status === 401) drop(live, SIGN_IN);
}

function drop(live: Live | null, next: string): void {
  live?.stop();
  document.body.replaceChildren();
  location.replace(next);
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

/** Something said was heard: read where its page is looked at, unread in every list. */
function noteReply(ticket: string): void {
  const page = document.querySelector<HTMLElement>(`[data-ticket="${CSS.escape(ticket)}"][data-read]`);
  if (page && document.visibilityState === "visible") void post(page.dataset["read"] ?? "", {});
  else markUnread(ticket, true);
}

function watchWriting(compose: Compose, filing: Filing): void {
  restoreDrafts(localStorage);
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) restoreDrafts(localStorage); // browsers put theirs back after the scripts ran
  });
  document.addEventListener("input", ({ target }) => {
    const form = (target as HTMLInputElement).form;
    if (form) keepDraft(localStorage, form);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (compose.submit(form) || isSentTwice(form) || filing.submit(form)) event.preventDefault();
    else if (form.method === "post") forgetDraft(localStorage, form);
  });
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>(
      '[data-action="retry"], [data-action="take-back"]',
    );
    if (button) compose.settle(button);
  });
}

/** Whether a form that is to be sent once is on its way already. */
function isSentTwice(form: HTMLFormElement): boolean {
  if (!("once" in form.dataset)) return false;
  const isSent = form.dataset["once"] === "sent";
  form.dataset["once"] = "sent";
  addEventListener("pageshow", () => letBeSent(form), { once: true });
  return isSent;
}

function letBeSent(form: HTMLFormElement): void {
  if ("once" in form.dataset) form.dataset["once"] = "";
}

/** As a page, past whoever listens for it. */
function sendNow(form: HTMLFormElement): void {
  forgetDraft(localStorage, form);
  form.submit();
}

async function post(url: string, fields: Record<string, string | string[]>): Promise<Answer> {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) body.append(name, each);
  }
  return await send(url, body, () => {});
}

function say(line: string): void {
  console.info(`[SSE] ${line}`);
}
