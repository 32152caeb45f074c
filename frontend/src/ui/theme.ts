// Light or dark, before the first paint: loaded on its own, in the head, and waited for.

const KEY = "deskwire-theme";
const CHOICES = ["light", "dark"];

function apply(choice: string | null): void {
  const root = document.documentElement;
  if (choice && CHOICES.includes(choice)) root.dataset["theme"] = choice;
  else delete root.dataset["theme"];
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage may be forbidden; the system's preference remains
  }
}

function choose(choice: string): void {
  apply(choice);
  try {
    if (CHOICES.includes(choice)) localStorage.setItem(KEY, choice);
    else localStorage.removeItem(KEY);
  } catch {
    // as above: it holds for this page
  }
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const kept = read();
if (kept) apply(kept); // else the page's own, which the reader has chosen in the settings
addEventListener("storage", (event) => {
  if (event.key === KEY) apply(event.newValue);
});
document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>('[data-action="theme"]');
  if (button) choose(button.dataset["value"] ?? (isDark() ? "light" : "dark"));
});
