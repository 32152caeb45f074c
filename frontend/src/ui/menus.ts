// Close menus on Escape and outside clicks. They are `<details>`, which open without a script.

const OPEN_MENU = "details.dropdown[open]";

/** Close every open menu except the one that contains `except`. */
export function closeMenus(except: Node | null = null): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>(OPEN_MENU)) {
    if (!except || !menu.contains(except)) menu.open = false;
  }
}

/** Close the open menu and focus its button again; return whether a menu was open. */
export function dismissMenu(): boolean {
  const menu = document.querySelector<HTMLDetailsElement>(OPEN_MENU);
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary")?.focus();
  return true;
}
