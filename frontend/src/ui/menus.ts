// Menus are `<details>`, which open without a script; this closes them again: Escape, a click elsewhere.

const OPEN_MENU = "details.dropdown[open]";

/** Closes every open menu but the one `inside` is in. */
export function closeMenus(except: Node | null = null): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>(OPEN_MENU)) {
    if (!except || !menu.contains(except)) menu.open = false;
  }
}

/** Closes the open menu and puts the focus back on what opened it; whether there was one. */
export function dismissMenu(): boolean {
  const menu = document.querySelector<HTMLDetailsElement>(OPEN_MENU);
  if (!menu) return false;
  menu.open = false;
  menu.querySelector("summary")?.focus();
  return true;
}
