// Fills the slots of the server's templates from the state an event carries.

import { LINE_KINDS, SIDES, STATUS_WORDS } from "../generated/events";
import { t } from "../i18n";
import { formatTime } from "./times";
import { WIRE_LABELS } from "../model/labels";

/** The words an attribute may take; anything else removes it. Styles hang on these. */
const ALLOWED_VALUES: Readonly<Record<string, readonly string[]>> = {
  status: STATUS_WORDS,
  kind: LINE_KINDS,
  side: SIDES,
  priority: ["low", "normal", "high", "urgent"],
  tone: ["info", "success", "warning", "danger"],
  "bot-installed": ["true", "false"],
};
/** Where words of the wire stand, which are shown in the language of the page. */
const TRANSLATED_PATHS: ReadonlySet<string> = new Set(["priority", "line.side"]);
const HTML_PATH = "line.html"; // the only value that is markup; the server has sanitised it
const WHITESPACE = /[\p{White_Space}\x1c-\x1f]+/u; // what Python's `str.split` splits at
const NESTED_ROOTS = "[data-list], [data-row], [data-line]"; // filled from their own state

/** A clone of the root element in `<template data-of="name">`, or null where there is none. */
export function cloneTemplate(name: string): HTMLElement | null {
  const selector = `template[data-of="${CSS.escape(name)}"]`;
  const root = document.querySelector<HTMLTemplateElement>(selector)?.content.firstElementChild;
  return root ? (document.importNode(root, true) as HTMLElement) : null;
}

/** Fills the slots of `root` and below it; rows and lists inside it are left alone. */
export function fillSlots(root: HTMLElement, state: unknown, now: number): void {
  fillElement(root, state, now);
  if (isLeaf(root)) return;
  for (const child of root.children) {
    if (child instanceof HTMLElement && !child.matches(NESTED_ROOTS)) fillSlots(child, state, now);
  }
}

/** What stands at `path` (`assignee.name`; `.` is the state itself). */
export function valueAt(state: unknown, path: string): unknown {
  if (path === ".") return state;
  return path.split(".").reduce<unknown>((value, name) => {
    const isOwn = typeof value === "object" && value !== null && Object.hasOwn(value, name);
    return isOwn ? (value as Record<string, unknown>)[name] : undefined;
  }, state);
}

/** The text of a value: a list is joined, what is missing is empty. */
export function toText(value: unknown): string {
  if (Array.isArray(value)) return value.map(toText).join(", ");
  return value === undefined || value === null ? "" : String(value);
}

/** Whether there is nothing to show. */
export function isMissing(value: unknown): boolean {
  return !value || (Array.isArray(value) && value.length === 0);
}

/** `Ada Lovelace` → `AL`; the rule of `initials` in `deskwire/workspaces/names.py`. */
export function initials(name: string): string {
  const words = name.split(WHITESPACE).filter(Boolean);
  const named = words.filter((word) => !word.startsWith("…")); // the end of an id
  const found = named.flatMap((word) => /[\p{L}\p{N}]/u.exec(word)?.[0] ?? []);
  const ends = found.length > 1 ? [found[0], found[found.length - 1]] : found;
  return ends.join("").toUpperCase() || (words.length > 0 ? "?" : "");
}

/** A path of this site, or null for anything that leads elsewhere. */
export function localPath(value: unknown): string | null {
  return typeof value === "string" && /^\/(?![/\\])/.test(value) ? value : null;
}

/** The attributes `data-set="status side=line.side"` asks for; null removes one. */
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

/** What has been given content of its own: nothing in it is a slot of this state. */
function isLeaf({ dataset }: HTMLElement): boolean {
  return "field" in dataset || "html" in dataset || "each" in dataset || "initials" in dataset;
}

function fillElement(element: HTMLElement, state: unknown, now: number): void {
  const at = (name: string): unknown => {
    const path = element.dataset[name];
    return path === undefined ? undefined : valueAt(state, path);
  };
  const { field, set, each, html, time } = element.dataset;
  if (field !== undefined) {
    const text = toText(at("field"));
    element.textContent = TRANSLATED_PATHS.has(field) && WIRE_LABELS.has(text) ? t(text) : text;
  }
  if (element.dataset["initials"] !== undefined) {
    element.textContent = initials(toText(at("initials")));
  }
  if (html === HTML_PATH) element.innerHTML = toText(at("html"));
  if (each !== undefined) fillEach(element, at("each"), now);
  if (element.dataset["if"] !== undefined) element.hidden = isMissing(at("if"));
  if (element.dataset["unless"] !== undefined) element.hidden = !isMissing(at("unless"));
  if (element.dataset["href"] !== undefined) setAttribute(element, "href", localPath(at("href")));
  if (element.dataset["find"]) setAttribute(element, "href", searchHref(element, state));
  if (element.dataset["src"] !== undefined) setAttribute(element, "src", localPath(at("src")));
  if (element.dataset["title"] !== undefined) setAttribute(element, "title", toText(at("title")));
  if (element.dataset["own"]) element.hidden = !isReader(at("own")) || lacksHref(element);
  if (time !== undefined) setTime(element, at("time"), now);
  for (const [name, word] of resolveAttributes(set ?? "", state))
    setAttribute(element, `data-${name}`, word);
}

/** The list `data-find` begins the address of, narrowed to what the element shows. */
function searchHref({ dataset }: HTMLElement, state: unknown): string | null {
  const value = toText(valueAt(state, dataset["field"] ?? ""));
  return localPath(`${dataset["find"] ?? ""}${encodeURIComponent(value)}`);
}

/** Whether the one who reads is known by this id. */
function isReader(id: unknown): boolean {
  const known = document.documentElement.dataset["actors"] ?? "";
  return typeof id === "string" && known.split(" ").includes(id);
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
