// Set the theme before the first paint. A bundle of its own, loaded in the head and blocking.

export {}; // makes it a module, so that its names are not global

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
    return null; // storage is blocked; the system's preference applies
  }
}

function setTheme(choice: string): void {
  applyTheme(choice);
  try {
    if (THEMES.includes(choice)) localStorage.setItem(STORAGE_KEY, choice);
    else localStorage.removeItem(STORAGE_KEY);
  } catch {
    // storage is blocked: the choice applies to this page only
  }
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const storedTheme = readTheme();
if (storedTheme) applyTheme(storedTheme); // else the one in the page, from the reader's settings
addEventListener("storage", (event) => {
  if (event.key === STORAGE_KEY) applyTheme(event.newValue);
});
document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>('[data-action="theme"]');
  if (button) setTheme(button.dataset["value"] ?? (isDark() ? "light" : "dark"));
});
