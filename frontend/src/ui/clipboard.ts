// Copy a URL or a text to the clipboard, with feedback on the button.

import { t } from "../i18n";

const FEEDBACK_DURATION = 2_000; // ms the feedback stays on the button

/** Make buttons with `data-copy` copy the URL of their path, with `data-copy-from` the text of an element. */
export function watchCopyButtons(): void {
  document.addEventListener("click", ({ target }) => {
    const button = (target as Element).closest<HTMLElement>("[data-copy], [data-copy-from]");
    if (button) void copyWithFeedback(textToCopy(button), button);
  });
}

function textToCopy({ dataset }: HTMLElement): string {
  const source = document.getElementById(dataset["copyFrom"] ?? "");
  return source?.textContent ?? new URL(dataset["copy"] ?? "", location.href).href;
}

async function copyWithFeedback(text: string, button: HTMLElement): Promise<void> {
  const { label = button.textContent ?? "" } = button.dataset;
  button.dataset["label"] = label;
  const isCopied = await copyText(text, button);
  button.textContent = isCopied ? t("Copied") : t("Your browser doesn’t allow copying");
  setTimeout(() => (button.textContent = label), FEEDBACK_DURATION);
}

/** Copy a text; return whether the browser did. */
async function copyText(text: string, button: HTMLElement): Promise<boolean> {
  try {
    // Browsers have it on https and on localhost only.
    await (navigator.clipboard as Clipboard | undefined)?.writeText(text);
    if ("clipboard" in navigator) return true;
  } catch {
    // Refused: the other way may still be allowed.
  }
  return copySelection(text, button);
}

/** Copy a text by selecting it, beside the button: a dialog leaves nothing else selectable. */
function copySelection(text: string, button: HTMLElement): boolean {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr-only";
  button.after(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  button.focus({ preventScroll: true });
  return isCopied;
}
