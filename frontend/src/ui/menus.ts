// Menus are `<details>`, which open without a script; this closes them again: Escape, a click elsewhere.

const OPEN = "details.dropdown[open]";

/** Closes every open menu but the one `inside` is in. */
export function closeMenus(inside: Node | null = null): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>(OPEN)) {
    if (!inside || !menu.contains(inside)) menu.open = false;
  }
}

/** Closes the open menu and puts the focus back on what opened it; whether there was one. */
export function leaveMenu(): boolean {
  const menu = document.querySelector<HTMLDetailsElement>(OPEN);
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary")?.focus();
  return true;
}
