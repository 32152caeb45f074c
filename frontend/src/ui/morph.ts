// Morph an element into the server's version, and keep what the reader is doing: focus, selection,
// typed text, open details, scroll position, and rows newer than the response.
//
// docs/decisions/0035-the-morph.md says why it is not htmx's.

import { readRevision } from "./dom";
import { moveNode } from "./move_node";

const CLIENT_ATTRIBUTES = new Set(["data-htmx-powered"]); // set by htmx, never by the server

/** Morph `from` in place into `to`, whose nodes it may take; focus and selection survive. */
export function morph(from: HTMLElement, to: HTMLElement): void {
  const restoreFocus = saveFocus();
  morphElement(from, to);
  restoreFocus();
}

/** Match new children to old ones: for each new one its old counterpart, or null.
 *
 * A child with a key matches only the same key, another the first one left of the same kind.
 */
export function matchChildren<T>(
  olds: readonly T[],
  news: readonly T[],
  keyOf: (node: T) => string | null,
  kindOf: (node: T) => string,
): (T | null)[] {
  const keyed = new Map(olds.flatMap((old) => (keyOf(old) === null ? [] : [[keyOf(old), old]])));
  const unkeyed = olds.filter((old) => keyOf(old) === null);
  return news.map((next) => {
    const key = keyOf(next);
    if (key !== null) {
      const old = keyed.get(key);
      keyed.delete(key);
      return old !== undefined && kindOf(old) === kindOf(next) ? old : null;
    }
    const index = unkeyed.findIndex((old) => kindOf(old) === kindOf(next));
    return index < 0 ? null : (unkeyed.splice(index, 1)[0] ?? null);
  });
}

function morphElement(from: Element, to: Element): void {
  if (from.hasAttribute("data-keep") || isNewer(from, to)) return;
  morphAttributes(from, to);
  if (from instanceof HTMLTemplateElement && to instanceof HTMLTemplateElement) {
    from.innerHTML = to.innerHTML;
  } else {
    morphChildren(from, to);
  }
  if (from instanceof HTMLSelectElement) resetSelect(from);
}

/** Reset a select that submits at once: it shows the server's value again. */
function resetSelect(select: HTMLSelectElement): void {
  if (!select.form?.matches('[data-after~="keep"]')) return;
  const option = select.querySelector<HTMLOptionElement>("option[selected]") ?? select.options[0];
  select.value = option?.value ?? "";
}

function isNewer(from: Element, to: Element): boolean {
  const isRow = from instanceof HTMLElement && to instanceof HTMLElement && from.dataset["row"];
  return Boolean(isRow) && readRevision(from as HTMLElement) > readRevision(to as HTMLElement);
}

function morphAttributes(from: Element, to: Element): void {
  for (const name of from.getAttributeNames()) {
    if (!to.hasAttribute(name) && !isKeptAttribute(from, name)) from.removeAttribute(name);
  }
  for (const name of to.getAttributeNames()) {
    const value = to.getAttribute(name) ?? "";
    if (from.getAttribute(name) !== value && !isKeptAttribute(from, name))
      from.setAttribute(name, value);
  }
}

function isKeptAttribute(element: Element, name: string): boolean {
  return CLIENT_ATTRIBUTES.has(name) || (name === "open" && element.matches("details, dialog"));
}

function morphChildren(from: Element, to: Element): void {
  const news = [...to.childNodes];
  const pairs = matchChildren([...from.childNodes], news, nodeKey, nodeKind);
  const matched = new Set(pairs);
  // Remove first: then a remaining node is moved only if its order really changed.
  for (const old of [...from.childNodes]) if (!matched.has(old) && !isKeptNode(old)) old.remove();
  let cursor: ChildNode | null = from.firstChild;
  news.forEach((next, index) => {
    const old = pairs[index] ?? null;
    const node = old ?? next;
    if (node === cursor) cursor = cursor.nextSibling;
    else if (old) moveNode(from, old, cursor);
    else from.insertBefore(next, cursor);
    if (old) morphNode(old, next);
  });
}

function morphNode(old: ChildNode, next: ChildNode): void {
  if (old instanceof Element && next instanceof Element) morphElement(old, next);
  else if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
}

function nodeKey(node: ChildNode): string | null {
  if (!(node instanceof HTMLElement)) return null;
  return node.dataset["row"] ?? node.dataset["line"] ?? node.dataset["day"] ?? (node.id || null);
}

function nodeKind(node: ChildNode): string {
  return node.nodeName;
}

/** Return whether a node stays though the server does not have it: `data-fate` is still unsent. */
function isKeptNode(node: ChildNode): boolean {
  return node instanceof Element && node.matches("[data-keep], [data-fate]");
}

function saveFocus(): () => void {
  const element = document.activeElement;
  const isText = element instanceof HTMLTextAreaElement || element instanceof HTMLInputElement;
  const range = isText ? ([element.selectionStart, element.selectionEnd] as const) : null;
  return () => {
    if (element === document.activeElement || !(element instanceof HTMLElement)) return;
    if (!element.isConnected) return;
    element.focus({ preventScroll: true });
    if (isText && range && range[0] !== null) element.setSelectionRange(range[0], range[1]);
  };
}
