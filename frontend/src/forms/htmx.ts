// Configure htmx and handle the results of its requests: resets, toasts, keyboard submits.
//
// htmx may neither eval nor write inline styles: the Content-Security-Policy of pages forbids both.

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

/** Configure htmx. Call it before the document is ready: then htmx processes the page. */
export function configureHtmx(): void {
  htmx.config.history = "reload"; // restore pages from the server: each needs its own cursor
  htmx.config.noSwap = [204, 304, "4xx", "5xx"] as unknown as number[]; // a toast shows the problem
  htmx.config.morphIgnore = [...htmx.config.morphIgnore, "open"]; // opened by the reader
  htmx.config.extensions = "";
  htmx.registerExtension("no-eval", {
    init(api: { initSecurity(policy: null, sync: unknown, async: unknown): void }) {
      api.initSecurity(null, RefuseEval, RefuseEval);
    },
  });
}

/** Activate the htmx attributes of an element that was inserted without htmx. */
export function processHtmx(element: Element): void {
  htmx.process(element);
}

/** Watch htmx requests: reapply newer events after a swap, reset forms, show errors as toasts. */
export function watchHtmxForms(store: Store, clock: Clock, isLive: () => boolean): void {
  const startedAt = new WeakMap<HtmxContext, number>(); // ms since 1970
  document.addEventListener("htmx:before:request", (event) => {
    startedAt.set(readContext(event), clock.now());
  });
  document.addEventListener("htmx:after:swap", (event) => {
    store.reapplySince(startedAt.get(readContext(event)) ?? clock.now(), []);
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
  const isReset = after.includes("reset") || after.includes("close");
  if (isReset && element instanceof HTMLFormElement) element.reset();
  if (after.includes("close")) element.closest("details")?.removeAttribute("open");
  if (after.length > 0 && (after.includes("refresh") || !isLive)) store.fragments.markAllStale();
}

function showRefusal(store: Store, clock: Clock, element: Element, text?: string): void {
  if (element instanceof HTMLFormElement && element.dataset["after"] === "keep") element.reset();
  element.closest("dialog")?.close(); // it would cover the toast
  store.toaster.add("", `refusal ${clock.now()}`, [], {
    title: t("That didn’t work"),
    text: parseProblemDetail(text) || t("The server refused it. Reload the page and try again."),
    tone: "danger",
    groupTitle: (n) => tn("%(num)s action didn’t work", "%(num)s actions didn’t work", n),
  });
}

/** Read `detail` from a problem response (RFC 9457); empty if it is none. */
function parseProblemDetail(text = ""): string {
  try {
    return (JSON.parse(text) as { detail?: string }).detail ?? "";
  } catch {
    return ""; // not JSON: the response of a proxy, for example
  }
}

/** Say that the server does not answer, and that the text is still there. */
export function showNetworkError(store: Store, clock: Clock): void {
  store.toaster.add("", `failure ${clock.now()}`, [], {
    title: t("The server can’t be reached"),
    text: t("Nothing you wrote is lost. Try again."),
    tone: "danger",
    groupTitle: (n) =>
      tn(
        "%(num)s action didn’t reach the server",
        "%(num)s actions didn’t reach the server",
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

/** Submit the form of a `<select data-submits>` when another option is chosen. */
function submitOnSelect({ target }: Event): void {
  if (target instanceof HTMLSelectElement && "submits" in target.dataset) {
    target.form?.requestSubmit();
  }
}

function readContext(event: Event): HtmxContext {
  return (event as CustomEvent<{ ctx: HtmxContext }>).detail.ctx;
}

/** Replaces the Function constructors that htmx would use to evaluate text. */
class RefuseEval {
  constructor() {
    throw new Error("This page evaluates no text: write it in TypeScript instead of hx-on or js:.");
  }
}
