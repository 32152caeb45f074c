// Carries changes out on the page: rows, headers, timelines. It decides nothing it can ask.

import type { Clock } from "../clock";
import { groupByDay } from "./day_headings";
import type { Line } from "../generated/events";
import { purgeOf, takeAway, words } from "../model/channels";
import { judge, type ListRules, type Place, placeByActivity, placeInTimeline } from "../model/lists";
import { moveBefore } from "./move_node";
import type { Change, Row } from "../model/reducers";
import { cloneOf, fill } from "./slots";
import { freshenTimes } from "./times";

const NEAR_BOTTOM = 160; // px; whoever is this close to the end is reading along
const REMEMBERED = 500; // rows known to be deleted; only a higher revision puts one in again

/** A message of the reader's own, before the server has it. */
export interface Sent {
  id: string;
  ticket: string;
  kind: "reply" | "note";
  author: string; // their name
  picture?: string | undefined; // where theirs is
  text: string;
  files: readonly File[];
  at: number; // ms
}

export class Screen {
  readonly #clock: Clock;
  readonly #markStale: (element: Element) => void;
  readonly #deleted = new Map<string, number>(); // the revision each was deleted at

  /** `markStale` is called with an element whose fragment has to be asked of the server. */
  constructor(clock: Clock, markStale: (element: Element) => void) {
    this.#clock = clock;
    this.#markStale = markStale;
  }

  apply(change: Change): void {
    switch (change.kind) {
      case "upsert":
        for (const list of listsOf(change.row)) this.#upsert(list, change.row);
        break;
      case "remove":
        this.#remove(change.key, change.revision);
        break;
      case "header":
        this.#fillHeader(change.ticket, change.revision, change.state);
        break;
      case "line":
        this.#addLine(change.ticket, change.line);
        break;
      case "gone":
        pageOf(change.ticket).forEach(takeAway);
        break;
      case "closed":
        purgeOf(document, change.workspace);
        break;
      case "read":
        markUnread(change.ticket, false);
        break;
      default:
        change satisfies never;
    }
    this.tidy();
  }

  /** What follows from the rows there are: headings of days, and whether a list is empty. */
  tidy(): void {
    groupByDay(this.#clock.now());
    showEmptiness();
  }

  /** Shows what the reader has just sent, or sends once more. */
  showSent(sent: Sent): void {
    for (const page of pageOf(sent.ticket)) {
      const list = page.querySelector<HTMLElement>('[data-list="timeline"]');
      const shown = list && lineIn(list, sent.id);
      if (shown) setFate(shown, "sending", "");
      const root = list && !shown ? cloneOf(`line-${sent.kind}`) : null;
      if (!list || !root) continue;
      const writer = { id: "", name: sent.author, picture: sent.picture ?? null };
      const line = { id: sent.id, kind: sent.kind, html: "", at: sent.at };
      this.#insertLine(list, root, { ...line, author: writer });
      const body = root.querySelector<HTMLElement>("[data-html]");
      if (body) body.textContent = sent.text || sent.files.map((file) => file.name).join(", ");
      setFate(root, "sending", "");
      root.scrollIntoView({ block: "nearest" });
    }
  }

  /** How much of its files has left, from 0 to 1. */
  showProgress(id: string, share: number): void {
    for (const line of linesOf(id)) {
      const bar = line.querySelector("progress") ?? progressIn(line);
      if (bar) bar.value = share;
    }
  }

  /** The server has it; its echo, which may have come before, fills it. */
  confirm(id: string): void {
    for (const line of linesOf(id)) setFate(line, null, "");
  }

  /** It came to nothing, and why; the reader may try again. */
  fail(id: string, why: string): void {
    for (const line of linesOf(id)) setFate(line, "failed", why);
  }

  takeBack(id: string): void {
    for (const line of linesOf(id)) line.remove();
  }

  #upsert(list: HTMLElement, row: Row): void {
    if (row.revision <= (this.#deleted.get(row.key) ?? -1)) return;
    const shown = rowIn(list, row.key);
    const verdict = judge(rulesOf(list), row, shown && revisionOf(shown));
    if (verdict === "insert") this.#insert(list, row);
    if (verdict === "remove") shown?.remove();
    if (shown && (verdict === "update" || verdict === "update-stale")) {
      this.#update(shown, row);
      if (verdict === "update" && list.dataset["sort"] === "active") moveByActivity(list, shown);
    }
    if (verdict === "stale" || verdict === "update-stale") this.#markStale(list);
  }

  #insert(list: HTMLElement, row: Row): void {
    const root = cloneOf(row.template);
    if (!root) {
      this.#markStale(list);
      return;
    }
    root.dataset["row"] = row.key;
    root.dataset["held"] = row.held.join(" ");
    this.#update(root, row);
    if (row.at === null) list.append(root);
    else moveByActivity(list, root);
    markFresh(root);
    trim(list);
  }

  #update(root: HTMLElement, row: Row): void {
    root.dataset["revision"] = String(row.revision);
    if (row.at !== null) root.dataset["at"] = String(row.at);
    fill(root, row.state, this.#clock.now());
    freshenTimes(root, this.#clock.now());
  }

  #remove(key: string, revision: number): void {
    this.#deleted.set(key, revision);
    for (const oldest of this.#deleted.keys()) {
      if (this.#deleted.size <= REMEMBERED) break;
      this.#deleted.delete(oldest);
    }
    const selector = `[data-row="${CSS.escape(key)}"]`;
    document.querySelectorAll<HTMLElement>(selector).forEach((row) => row.remove());
  }

  #fillHeader(ticket: string, revision: number, state: unknown): void {
    for (const page of pageOf(ticket)) {
      if (revisionOf(page) >= revision) continue;
      page.dataset["revision"] = String(revision);
      fill(page, state, this.#clock.now());
      freshenTimes(page, this.#clock.now());
    }
  }

  #addLine(ticket: string, line: Line): void {
    for (const page of pageOf(ticket)) {
      const list = page.querySelector<HTMLElement>('[data-list="timeline"]');
      const shown = list && lineIn(list, line.id);
      if (shown) this.#fillEcho(shown, line);
      if (!list || shown) continue;
      const root = cloneOf(`line-${line.kind}`);
      if (root) this.#insertLine(list, root, line);
      else this.#markStale(list);
    }
  }

  /** What the reader sent comes back as the server has it. */
  #fillEcho(shown: HTMLElement, line: Line): void {
    if (!("sent" in shown.dataset)) return; // it was there before
    delete shown.dataset["sent"];
    setFate(shown, null, "");
    fill(shown, { line }, this.#clock.now());
    freshenTimes(shown, this.#clock.now());
  }

  #insertLine(list: HTMLElement, root: HTMLElement, line: Line): void {
    const isReadAlong = isNearBottom();
    root.dataset["line"] = line.id;
    root.dataset["at"] = String(line.at);
    fill(root, { line }, this.#clock.now());
    freshenTimes(root, this.#clock.now());
    const lines = [...list.querySelectorAll<HTMLElement>(":scope > [data-line]")];
    const places = lines.map(placeOf);
    const next = lines[placeInTimeline(places, { at: line.at, id: line.id })];
    if (next) next.before(root);
    else list.append(root);
    markFresh(root);
    if (isReadAlong && !next) root.scrollIntoView({ block: "nearest" });
  }
}

/** Says in every list that tells it whether a ticket holds replies that the reader has not read. */
export function markUnread(ticket: string, isUnread: boolean): void {
  const selector = `[data-row="${CSS.escape(`ticket:${ticket}`)}"]:has(.unread-dot)`;
  for (const row of document.querySelectorAll<HTMLElement>(selector)) {
    if (isUnread) row.dataset["unread"] = "yes";
    else delete row.dataset["unread"];
  }
}

/** Shows each `data-empty-for` while the list it names has no rows. */
function showEmptiness(): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-empty-for]")) {
    const list = document.getElementById(element.dataset["emptyFor"] ?? "");
    if (list) element.hidden = list.querySelector("[data-row], [data-line]") !== null;
  }
}

/** The revision an element shows; 0 where it states none. */
export function revisionOf(element: HTMLElement): number {
  return Number(element.dataset["revision"] ?? 0) || 0;
}

function lineIn(list: HTMLElement, id: string): HTMLElement | null {
  return list.querySelector<HTMLElement>(`[data-line="${CSS.escape(id)}"]`);
}

function linesOf(id: string): NodeListOf<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-line="${CSS.escape(id)}"]`);
}

/** What became of a message of one's own: `sending`, `failed` (with why), or null: it arrived. */
function setFate(line: HTMLElement, fate: "sending" | "failed" | null, why: string): void {
  line.querySelectorAll("[data-fate-notice]").forEach((notice) => notice.remove());
  if (fate === null) {
    delete line.dataset["fate"];
    return;
  }
  line.dataset["sent"] = "";
  line.dataset["fate"] = fate;
  const notice = fate === "failed" ? cloneOf("line-failed") : null;
  if (!notice) return;
  fill(notice, { why }, 0);
  line.querySelector(".line-body")?.append(notice);
}

function progressIn(line: HTMLElement): HTMLProgressElement | null {
  const notice = cloneOf("line-sending");
  if (notice) line.querySelector(".line-body")?.append(notice);
  return notice && notice.querySelector("progress");
}

function listsOf(row: Row): Iterable<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-list="${row.list}"]`);
}

function pageOf(ticket: string): NodeListOf<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-ticket="${CSS.escape(ticket)}"]`);
}

function rowIn(list: HTMLElement, key: string): HTMLElement | null {
  return list.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`);
}

function rulesOf({ dataset }: HTMLElement): ListRules {
  return {
    workspace: dataset["workspace"] ?? "*",
    statuses: words(dataset["filterStatus"]),
    isExact: dataset["exact"] !== "no",
  };
}

function placeOf({ dataset }: HTMLElement): Place {
  return { at: Number(dataset["at"]), id: dataset["line"] ?? "" };
}

function moveByActivity(list: HTMLElement, root: HTMLElement): void {
  const others = [...list.querySelectorAll<HTMLElement>(":scope > [data-row]")].filter(
    (row) => row !== root,
  );
  const times = others.map((row) => Number(row.dataset["at"] ?? 0));
  const next = others[placeByActivity(times, Number(root.dataset["at"] ?? 0))] ?? null;
  const after = next ?? others[others.length - 1]?.nextElementSibling ?? null;
  const isThere = root.parentElement === list && root.nextElementSibling === after;
  if (!isThere) moveBefore(list, root, after);
}

function trim(list: HTMLElement): void {
  const limit = Number(list.dataset["limit"] ?? 0);
  if (!limit) return;
  const rows = [...list.querySelectorAll(":scope > [data-row]")];
  for (const row of rows.slice(limit)) row.remove();
}

function markFresh(root: HTMLElement): void {
  root.classList.add("is-fresh");
  root.addEventListener("animationend", () => root.classList.remove("is-fresh"), { once: true });
}

function isNearBottom(): boolean {
  const page = document.documentElement;
  return page.scrollHeight - window.scrollY - window.innerHeight < NEAR_BOTTOM;
}
