// Apply changes to the page: rows, headers and timelines. Decisions are made in model/.

import type { Clock } from "../clock";
import type { Line } from "../generated/events";
import { splitWords } from "../model/channels";
import {
  activityIndex,
  decideListAction,
  type ListRules,
  timelineIndex,
  type TimelinePosition,
} from "../model/lists";
import type { Change, Row } from "../model/reducers";
import { updateDayHeadings } from "./day_headings";
import { moveNode } from "./move_node";
import { cloneTemplate, fillSlots } from "./slots";
import { updateTimes } from "./times";
import { removeOfWorkspace, removeOrEmpty } from "./visibility";

const NEAR_BOTTOM = 160; // px; a reader this close to the end follows the conversation
const MAX_DELETED = 500; // deleted rows remembered; only a higher revision inserts one again

/** A message that the reader has sent, shown before the server confirms it. */
export interface PendingMessage {
  id: string;
  ticket: string;
  kind: "reply" | "note";
  author: string; // display name
  picture?: string | undefined; // path of the avatar
  text: string;
  fileNames: readonly string[];
  at: number; // ms since 1970
}

/** Everything that changes rows, headers and timelines. */
export class DomRenderer {
  readonly #clock: Clock;
  readonly #markStale: (element: Element) => void;
  readonly #deleted = new Map<string, number>(); // row key → revision of the deletion

  /** `markStale` is called with an element whose fragment the server must render again. */
  constructor(clock: Clock, markStale: (element: Element) => void) {
    this.#clock = clock;
    this.#markStale = markStale;
  }

  /** Apply one change to every list and page that shows it. */
  apply(change: Change): void {
    switch (change.kind) {
      case "upsert":
        for (const list of findLists(change.row)) this.#upsert(list, change.row);
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
      case "ticket-deleted":
        findTicketPages(change.ticket).forEach(removeOrEmpty);
        break;
      case "organization-deleted":
        removeOfWorkspace(document, change.workspace);
        break;
      case "read":
        setUnread(change.ticket, false);
        break;
      default:
        change satisfies never;
    }
    this.updateLists();
  }

  /** Update what depends on the rows of lists: day headings and empty states. */
  updateLists(): void {
    updateDayHeadings(this.#clock.now());
    updateEmptyStates();
  }

  /** Return whether the page shows a message as the server has it. */
  isConfirmed(id: string): boolean {
    return [...findLines(id)].some((line) => !("fate" in line.dataset));
  }

  /** Return whether the page shows a message, sent or not. */
  hasLine(id: string): boolean {
    return findLines(id).length > 0;
  }

  /** Show a message as sending (optimistic update); on a retry the line already exists. */
  showPending(message: PendingMessage): void {
    for (const page of findTicketPages(message.ticket)) {
      const list = page.querySelector<HTMLElement>('[data-list="timeline"]');
      const existing = list && findLine(list, message.id);
      if (existing) setSendState(existing, "sending", "");
      const root = list && !existing ? cloneTemplate(`line-${message.kind}`) : null;
      if (!list || !root) continue;
      const author = { id: "", name: message.author, picture: message.picture ?? null };
      const line = { id: message.id, kind: message.kind, html: "", at: message.at };
      this.#insertLine(list, root, { ...line, author });
      const body = root.querySelector<HTMLElement>("[data-html]");
      if (body)
        body.textContent = message.text || message.fileNames.join(", ");
      setSendState(root, "sending", "");
      root.scrollIntoView({ block: "nearest" });
    }
  }

  /** Show the uploaded share of a message's files, from 0 to 1. */
  showUploadProgress(id: string, share: number): void {
    for (const line of findLines(id)) {
      const bar = line.querySelector("progress") ?? addProgressBar(line);
      if (bar) bar.value = share;
    }
  }

  /** Mark a message as sent. Its event, which may have arrived earlier, fills in the line. */
  markSent(id: string): void {
    for (const line of findLines(id)) setSendState(line, null, "");
  }

  /** Mark a message as failed, with the reason and a way to retry. */
  markFailed(id: string, reason: string): void {
    for (const line of findLines(id)) setSendState(line, "failed", reason);
  }

  /** Remove the line of a message that was not sent. */
  removePending(id: string): void {
    for (const line of findLines(id)) line.remove();
  }

  #upsert(list: HTMLElement, row: Row): void {
    if (row.revision <= (this.#deleted.get(row.key) ?? -1)) return;
    const shown = findRow(list, row.key);
    const action = decideListAction(readListRules(list), row, shown && readRevision(shown));
    if (action === "insert") this.#insert(list, row);
    if (action === "remove") shown?.remove();
    if (shown && (action === "update" || action === "update-stale")) {
      this.#update(shown, row);
      if (action === "update" && list.dataset["sort"] === "active") moveByActivity(list, shown);
    }
    if (action === "stale" || action === "update-stale") this.#markStale(list);
  }

  #insert(list: HTMLElement, row: Row): void {
    const root = cloneTemplate(row.template);
    if (!root) {
      this.#markStale(list);
      return;
    }
    root.dataset["row"] = row.key;
    root.dataset["held"] = row.channels.join(" ");
    this.#update(root, row);
    if (row.activeAt === null) list.append(root);
    else moveByActivity(list, root);
    highlightNew(root);
    trimToLimit(list);
  }

  #update(root: HTMLElement, row: Row): void {
    root.dataset["revision"] = String(row.revision);
    if (row.activeAt !== null) root.dataset["at"] = String(row.activeAt);
    fillSlots(root, row.state, this.#clock.now());
    updateTimes(root, this.#clock.now());
  }

  #remove(key: string, revision: number): void {
    this.#deleted.set(key, revision);
    for (const oldest of this.#deleted.keys()) {
      if (this.#deleted.size <= MAX_DELETED) break;
      this.#deleted.delete(oldest);
    }
    const selector = `[data-row="${CSS.escape(key)}"]`;
    document.querySelectorAll<HTMLElement>(selector).forEach((row) => row.remove());
  }

  #fillHeader(ticket: string, revision: number, state: unknown): void {
    for (const page of findTicketPages(ticket)) {
      if (readRevision(page) >= revision) continue;
      page.dataset["revision"] = String(revision);
      fillSlots(page, state, this.#clock.now());
      updateTimes(page, this.#clock.now());
    }
  }

  #addLine(ticket: string, line: Line): void {
    for (const page of findTicketPages(ticket)) {
      const list = page.querySelector<HTMLElement>('[data-list="timeline"]');
      const existing = list && findLine(list, line.id);
      if (existing) this.#confirmEcho(existing, line);
      if (!list || existing) continue;
      const root = cloneTemplate(`line-${line.kind}`);
      if (root) this.#insertLine(list, root, line);
      else this.#markStale(list);
    }
  }

  /** Fill an optimistic line from its event, which has the message as the server stored it. */
  #confirmEcho(element: HTMLElement, line: Line): void {
    if (!("sent" in element.dataset)) return; // not an optimistic line
    delete element.dataset["sent"];
    setSendState(element, null, "");
    fillSlots(element, { line }, this.#clock.now());
    updateTimes(element, this.#clock.now());
  }

  #insertLine(list: HTMLElement, root: HTMLElement, line: Line): void {
    const isFollowing = isNearBottom();
    root.dataset["line"] = line.id;
    root.dataset["at"] = String(line.at);
    fillSlots(root, { line }, this.#clock.now());
    updateTimes(root, this.#clock.now());
    const lines = [...list.querySelectorAll<HTMLElement>(":scope > [data-line]")];
    const positions = lines.map(readPosition);
    const next = lines[timelineIndex(positions, { at: line.at, id: line.id })];
    if (next) next.before(root);
    else list.append(root);
    highlightNew(root);
    if (isFollowing && !next) root.scrollIntoView({ block: "nearest" });
  }
}

/** Mark a ticket as unread or read in every list that shows unread dots. */
export function setUnread(ticket: string, isUnread: boolean): void {
  const selector = `[data-row="${CSS.escape(`ticket:${ticket}`)}"]:has(.unread-dot)`;
  for (const row of document.querySelectorAll<HTMLElement>(selector)) {
    if (isUnread) row.dataset["unread"] = "yes";
    else delete row.dataset["unread"];
  }
}

/** Show each `data-empty-for` element while the list it names has no rows. */
function updateEmptyStates(): void {
  for (const element of document.querySelectorAll<HTMLElement>("[data-empty-for]")) {
    const list = document.getElementById(element.dataset["emptyFor"] ?? "");
    if (list) element.hidden = list.querySelector("[data-row], [data-line]") !== null;
  }
}

/** Read the revision an element shows; 0 if it has none. */
export function readRevision(element: HTMLElement): number {
  return Number(element.dataset["revision"] ?? 0) || 0;
}

function findLine(list: HTMLElement, id: string): HTMLElement | null {
  return list.querySelector<HTMLElement>(`[data-line="${CSS.escape(id)}"]`);
}

function findLines(id: string): NodeListOf<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-line="${CSS.escape(id)}"]`);
}

/** Set the state of an optimistic line; null: the server has the message. */
function setSendState(line: HTMLElement, state: "sending" | "failed" | null, reason: string): void {
  line.querySelectorAll("[data-fate-notice]").forEach((notice) => notice.remove());
  if (state === null) {
    delete line.dataset["fate"];
    return;
  }
  line.dataset["sent"] = "";
  line.dataset["fate"] = state;
  const notice = state === "failed" ? cloneTemplate("line-failed") : null;
  if (!notice) return;
  fillSlots(notice, { why: reason }, 0);
  line.querySelector(".line-body")?.append(notice);
}

function addProgressBar(line: HTMLElement): HTMLProgressElement | null {
  const notice = cloneTemplate("line-sending");
  if (notice) line.querySelector(".line-body")?.append(notice);
  return notice && notice.querySelector("progress");
}

function findLists(row: Row): Iterable<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-list="${row.list}"]`);
}

function findTicketPages(ticket: string): NodeListOf<HTMLElement> {
  return document.querySelectorAll<HTMLElement>(`[data-ticket="${CSS.escape(ticket)}"]`);
}

function findRow(list: HTMLElement, key: string): HTMLElement | null {
  return list.querySelector<HTMLElement>(`[data-row="${CSS.escape(key)}"]`);
}

function readListRules({ dataset }: HTMLElement): ListRules {
  return {
    workspace: dataset["workspace"] ?? "*",
    statuses: splitWords(dataset["filterStatus"]),
    isExact: dataset["exact"] !== "no",
  };
}

function readPosition({ dataset }: HTMLElement): TimelinePosition {
  return { at: Number(dataset["at"]), id: dataset["line"] ?? "" };
}

function moveByActivity(list: HTMLElement, root: HTMLElement): void {
  const others = [...list.querySelectorAll<HTMLElement>(":scope > [data-row]")].filter(
    (row) => row !== root,
  );
  const times = others.map((row) => Number(row.dataset["at"] ?? 0));
  const next = others[activityIndex(times, Number(root.dataset["at"] ?? 0))] ?? null;
  const after = next ?? others[others.length - 1]?.nextElementSibling ?? null;
  const isInPlace = root.parentElement === list && root.nextElementSibling === after;
  if (!isInPlace) moveNode(list, root, after);
}

function trimToLimit(list: HTMLElement): void {
  const limit = Number(list.dataset["limit"] ?? 0);
  if (!limit) return;
  const rows = [...list.querySelectorAll(":scope > [data-row]")];
  for (const row of rows.slice(limit)) row.remove();
}

function highlightNew(root: HTMLElement): void {
  root.classList.add("is-fresh");
  root.addEventListener("animationend", () => root.classList.remove("is-fresh"), { once: true });
}

function isNearBottom(): boolean {
  const page = document.documentElement;
  return page.scrollHeight - window.scrollY - window.innerHeight < NEAR_BOTTOM;
}
