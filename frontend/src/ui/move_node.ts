// Moving a node within the page.

/** Moves without losing focus or state where the browser can. */
export function moveNode(parent: Element, node: Node, next: Node | null): void {
  const mover = parent as Element & { moveBefore?: (node: Node, next: Node | null) => void };
  if (mover.moveBefore && node.parentNode?.isConnected) mover.moveBefore(node, next);
  else parent.insertBefore(node, next);
}
