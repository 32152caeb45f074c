// Light or dark, before the first paint: loaded on its own, in the head, and waited for.

export {}; // a module, so that its names are its own

const STORAGE_KEY = "deskwire-theme";
const THEMES = ["light", "dark"];

function applyTheme(choice: string | null): void {
  const root = document.documentElement;
  if (choice && THEMES.includes(choice)) root.dataset["theme"] = choice;
  else delete root.dataset["theme"];
}

function readTheme(): string | null {
  try {
    return localStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // storage may be forbidden; the system's preference remains
  }
}

function setTheme(choice: string): void {
  applyTheme(choice);
  try {
    if (THEMES.includes(choice)) localStorage.setItem(STORAGE_KEY, choice);
    else localStorage.removeItem(STORAGE_KEY);
  } catch {
    // as above: it holds for this page
  }
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const storedTheme = readTheme();
if (storedTheme) applyTheme(storedTheme); // else the page's own, which the reader has chosen in the settings
addEventListener("storage", (event) => {
  if (event.key === STORAGE_KEY) applyTheme(event.newValue);
});
document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>('[data-action="theme"]');
  if (button) setTheme(button.dataset["value"] ?? (isDark() ? "light" : "dark"));
});
