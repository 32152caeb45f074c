// Fill the slots of the server's templates from the state an event carries.

import { LINE_KINDS, AUTHOR_KINDS, STATUS_NAMES } from "../generated/events";
import { t } from "../i18n";
import { WIRE_LABELS } from "../model/labels";
import { formatTime } from "./times";

/** The allowed values of each `data-set` attribute; styles depend on them. Others are removed. */
const ALLOWED_VALUES: Readonly<Record<string, readonly string[]>> = {
  status: STATUS_NAMES,
  kind: LINE_KINDS,
  side: AUTHOR_KINDS,
  priority: ["low", "normal", "high", "urgent"],
  tone: ["info", "success", "warning", "danger"],
  "bot-installed": ["true", "false"],
};
/** Paths whose wire values are shown in the language of the page. */
const TRANSLATED_PATHS: ReadonlySet<string> = new Set(["priority", "line.side"]);
const HTML_PATH = "line.html"; // the only HTML value; the server has sanitized it
const WHITESPACE = /[\p{White_Space}\x1c-\x1f]+/u; // as Python's `str.split`
const NESTED_ROOTS = "[data-list], [data-row], [data-line]"; // have a state of their own

/** Clone the root element of `<template data-of="NAME">`; null if the page has none. */
export function cloneTemplate(name: string): HTMLElement | null {
  const selector = `template[data-of="${CSS.escape(name)}"]`;
  const root = document.querySelector<HTMLTemplateElement>(selector)?.content.firstElementChild;
  return root ? (document.importNode(root, true) as HTMLElement) : null;
}

/** Fill the slots of `root` and its descendants, except nested lists, rows and lines.
 *
 * `now`: ms since 1970.
 */
export function fillSlots(root: HTMLElement, state: unknown, now: number): void {
  fillElement(root, state, now);
  if (isLeaf(root)) return;
  for (const child of root.children) {
    if (child instanceof HTMLElement && !child.matches(NESTED_ROOTS)) fillSlots(child, state, now);
  }
}

/** Read the value at a path such as `assignee.name`; `.` is the state itself. */
export function valueAt(state: unknown, path: string): unknown {
  if (path === ".") return state;
  return path.split(".").reduce<unknown>((value, name) => {
    const isOwn = typeof value === "object" && value !== null && Object.hasOwn(value, name);
    return isOwn ? (value as Record<string, unknown>)[name] : undefined;
  }, state);
}

/** Convert a value to text: join a list, treat a missing value as empty. */
export function toText(value: unknown): string {
  if (Array.isArray(value)) return value.map(toText).join(", ");
  return value === undefined || value === null ? "" : String(value);
}

/** Return whether a value counts as missing for `data-if`. */
export function isMissing(value: unknown): boolean {
  return !value || (Array.isArray(value) && value.length === 0);
}

/** Abbreviate a name: `Ada Lovelace` → `AL`; as `initials` in `deskwire/workspaces/names.py`. */
export function initials(name: string): string {
  const words = name.split(WHITESPACE).filter(Boolean);
  const parts = words.filter((word) => !word.startsWith("…")); // not the end of a Discord id
  const letters = parts.flatMap((part) => /[\p{L}\p{N}]/u.exec(part)?.[0] ?? []);
  const ends = letters.length > 1 ? [letters[0], letters[letters.length - 1]] : letters;
  return ends.join("").toUpperCase() || (words.length > 0 ? "?" : "");
}

/** Return a value if it is a path of this site, else null: no other host, no `javascript:`. */
export function localPath(value: unknown): string | null {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : null;
}

/** Resolve `data-set="status side=line.side"` to attributes; null removes the attribute. */
export function resolveAttributes(spec: string, state: unknown): [string, string | null][] {
  return spec
    .split(/\s+/)
    .filter(Boolean)
    .map((part) => {
      const [name = "", path = name] = part.split("=");
      const word = toText(valueAt(state, path));
      return [name, ALLOWED_VALUES[name]?.includes(word) ? word : null];
    });
}

/** Return whether an element's content comes from its own slot, so nothing inside it is one. */
function isLeaf({ dataset }: HTMLElement): boolean {
  return "field" in dataset || "html" in dataset || "each" in dataset || "initials" in dataset;
}

function fillElement(element: HTMLElement, state: unknown, now: number): void {
  const read = (name: string): unknown => {
    const path = element.dataset[name];
    return path === undefined ? undefined : valueAt(state, path);
  };
  const { field, set, each, html, time } = element.dataset;
  if (field !== undefined) {
    const text = toText(read("field"));
    element.textContent = TRANSLATED_PATHS.has(field) && WIRE_LABELS.has(text) ? t(text) : text;
  }
  if (element.dataset["initials"] !== undefined) {
    element.textContent = initials(toText(read("initials")));
  }
  if (html === HTML_PATH) element.innerHTML = toText(read("html"));
  if (each !== undefined) fillEach(element, read("each"), now);
  if (element.dataset["if"] !== undefined) element.hidden = isMissing(read("if"));
  if (element.dataset["unless"] !== undefined) element.hidden = !isMissing(read("unless"));
  if (element.dataset["href"] !== undefined) setAttribute(element, "href", localPath(read("href")));
  if (element.dataset["find"]) setAttribute(element, "href", searchHref(element, state));
  if (element.dataset["src"] !== undefined) setAttribute(element, "src", localPath(read("src")));
  if (element.dataset["title"] !== undefined) setAttribute(element, "title", toText(read("title")));
  if (element.dataset["own"]) element.hidden = !isReader(read("own")) || lacksHref(element);
  if (time !== undefined) setTime(element, read("time"), now);
  for (const [name, word] of resolveAttributes(set ?? "", state))
    setAttribute(element, `data-${name}`, word);
}

/** Build the link of `data-find`: the list filtered by the text the element shows. */
function searchHref({ dataset }: HTMLElement, state: unknown): string | null {
  const value = toText(valueAt(state, dataset["field"] ?? ""));
  return localPath(`${dataset["find"] ?? ""}${encodeURIComponent(value)}`);
}

/** Return whether `id` is one of the reader's ids. */
function isReader(id: unknown): boolean {
  const readerIds = document.documentElement.dataset["actors"] ?? "";
  return typeof id === "string" && readerIds.split(" ").includes(id);
}

function lacksHref(element: HTMLElement): boolean {
  return element.dataset["href"] !== undefined && !element.hasAttribute("href");
}

function fillEach(element: HTMLElement, values: unknown, now: number): void {
  const template = element.querySelector<HTMLTemplateElement>(":scope > template");
  const sample = template?.content.firstElementChild;
  if (!template || !sample) return;
  const clones = (Array.isArray(values) ? values : []).map((value) => {
    const clone = document.importNode(sample, true) as HTMLElement;
    fillSlots(clone, value, now);
    return clone;
  });
  element.replaceChildren(template, ...clones);
}

function setTime(element: HTMLElement, value: unknown, now: number): void {
  const date = typeof value === "number" ? new Date(value) : null;
  setAttribute(element, "datetime", date && date.toISOString());
  const text = date && formatTime(element, date, now);
  if (text !== null) element.textContent = text;
}

function setAttribute(element: HTMLElement, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}
