// What the reader starts: htmx, forms, keys. No eval, and no style that the page's policy refuses.

import htmx from "htmx.org";
import type { Clock } from "../clock";
import { t, tn } from "../i18n";
import type { Store } from "../store/store";

const KEYBOARD_SUBMIT = "[data-after], [data-compose]";

interface HtmxContext {
  sourceElement: Element;
  response?: { status: number };
  text?: string;
}

/** htmx as the pages need it. Must run before the document is ready, when htmx looks at it. */
export function configureHtmx(): void {
  htmx.config.history = "reload"; // a page from the server has its own cursor
  htmx.config.noSwap = [204, 304, "4xx", "5xx"] as unknown as number[]; // problems are told
  htmx.config.morphIgnore = [...htmx.config.morphIgnore, "open"]; // the reader opened it
  htmx.config.extensions = "";
  htmx.registerExtension("no-eval", {
    init(api: { initSecurity(policy: null, sync: unknown, async: unknown): void }) {
      api.initSecurity(null, RefuseEval, RefuseEval);
    },
  });
}

/** htmx takes up what was put in without it. */
export function processHtmx(element: Element): void {
  htmx.process(element);
}

/** Follows htmx's requests: rows older than an event already seen are mended, forms emptied. */
export function watchHtmxForms(store: Store, clock: Clock, isLive: () => boolean): void {
  const begun = new WeakMap<HtmxContext, number>();
  document.addEventListener("htmx:before:request", (event) => {
    begun.set(readContext(event), clock.now());
  });
  document.addEventListener("htmx:after:swap", (event) => {
    store.reapplySince(begun.get(readContext(event)) ?? clock.now(), []);
  });
  document.addEventListener("htmx:after:request", (event) => {
    const { sourceElement, response, text } = readContext(event);
    if (response?.status === 401) store.showSignedOut();
    else if (response && response.status < 400) onSuccess(store, sourceElement, isLive());
    else if (response && response.status < 500) showRefusal(store, clock, sourceElement, text);
    else if (response) showNetworkError(store, clock);
  });
  document.addEventListener("htmx:error", (event) => {
    if (readContext(event)) showNetworkError(store, clock);
  });
  document.addEventListener("keydown", submitOnCtrlEnter);
  document.addEventListener("change", submitOnSelect);
}

function onSuccess(store: Store, element: Element, isLive: boolean): void {
  const after = element.getAttribute("data-after")?.split(/\s+/) ?? [];
  const isOver = after.includes("reset") || after.includes("close");
  if (isOver && element instanceof HTMLFormElement) element.reset();
  if (after.includes("close")) element.closest("details")?.removeAttribute("open");
  if (after.length > 0 && (after.includes("refresh") || !isLive)) store.fragments.markAllStale();
}

function showRefusal(store: Store, clock: Clock, element: Element, text?: string): void {
  if (element instanceof HTMLFormElement && element.dataset["after"] === "keep") element.reset();
  element.closest("dialog")?.close(); // or it would cover the reason
  store.toaster.add("", `refusal ${clock.now()}`, [], {
    title: t("That was not done"),
    text: parseProblemDetail(text) || t("It was refused. Reload the page and try again."),
    tone: "danger",
    groupTitle: (n) => tn("%(num)s thing was not done", "%(num)s things were not done", n),
  });
}

/** Why the server refused, of the problem it answered with (RFC 9457). */
function parseProblemDetail(text = ""): string {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? "";
  } catch {
    return ""; // what stands before the server said no
  }
}

function showNetworkError(store: Store, clock: Clock): void {
  store.toaster.add("", `failure ${clock.now()}`, [], {
    title: t("That did not reach the server"),
    text: t("Nothing you wrote is lost. Please try again."),
    tone: "danger",
    groupTitle: (n) =>
      tn(
        "%(num)s request did not reach the server",
        "%(num)s requests did not reach the server",
        n,
      ),
  });
}

function submitOnCtrlEnter(event: KeyboardEvent): void {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const { target } = event;
  if (!(target instanceof HTMLTextAreaElement) || !target.form?.matches(KEYBOARD_SUBMIT)) return;
  event.preventDefault();
  target.form.requestSubmit();
}

function submitOnSelect({ target }: Event): void {
  if (target instanceof HTMLSelectElement && "submits" in target.dataset) {
    target.form?.requestSubmit();
  }
}

function readContext(event: Event): HtmxContext {
  return (event as CustomEvent<{ ctx: HtmxContext }>).detail.ctx;
}

class RefuseEval {
  constructor() {
    throw new Error("This page evaluates no text: write it in TypeScript instead of hx-on or js:.");
  }
}
