// Move a node within the page without losing its focus.

/** Move `node` before `next`; `moveBefore`, where the browser has it, keeps focus and state. */
export function moveNode(parent: Element, node: Node, next: Node | null): void {
  const mover = parent as Element & { moveBefore?: (node: Node, next: Node | null) => void };
  if (mover.moveBefore && node.parentNode?.isConnected) mover.moveBefore(node, next);
  else parent.insertBefore(node, next);
}
