// Copy a URL to the clipboard, with feedback on the button.

import { t } from "../i18n";

const FEEDBACK_DURATION = 2_000; // ms the feedback stays on the button

/** Make buttons with `data-copy` copy the URL of their path. */
export function watchCopyButtons(): void {
  document.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest<HTMLElement>("[data-copy]");
    if (button) void copyUrl(button);
  });
}

async function copyUrl(button: HTMLElement): Promise<void> {
  const { copy: path = "", label = button.textContent ?? "" } = button.dataset;
  button.dataset["label"] = label;
  try {
    await navigator.clipboard.writeText(new URL(path, location.href).href);
    button.textContent = t("Copied");
  } catch {
    button.textContent = t("Your browser doesn’t allow copying");
  }
  setTimeout(() => (button.textContent = label), FEEDBACK_DURATION);
}
