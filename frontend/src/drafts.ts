// What is half-typed is kept in this browser until it is sent, under the name its form gives it.

const PREFIX = "deskwire:draft:"; // before a form's `data-draft`
const FORMS = "form[data-draft]";

/** Puts back what was typed before, into fields that are still empty. */
export function restoreDrafts(store: Storage): void {
  for (const form of document.querySelectorAll<HTMLFormElement>(FORMS)) {
    const kept = read(store, form);
    for (const field of fieldsOf(form)) {
      if (field.value === "" && kept[field.name]) field.value = kept[field.name] ?? "";
    }
  }
}

/** Keeps what a form holds now; forgets it once it is empty. */
export function keepDraft(store: Storage, form: HTMLFormElement): void {
  if (!form.matches(FORMS)) return;
  const typed = fieldsOf(form).filter((field) => field.value !== "");
  const kept = Object.fromEntries(typed.map((field) => [field.name, field.value]));
  try {
    if (typed.length === 0) store.removeItem(keyOf(form));
    else store.setItem(keyOf(form), JSON.stringify(kept));
  } catch {
    return; // the browser keeps nothing: then nothing is kept
  }
}

/** A form was sent as a page: its draft has served. */
export function forgetDraft(store: Storage, form: HTMLFormElement): void {
  if (form.matches(FORMS)) store.removeItem(keyOf(form));
}

function read(store: Storage, form: HTMLFormElement): Record<string, string> {
  try {
    const kept: unknown = JSON.parse(store.getItem(keyOf(form)) ?? "{}");
    return typeof kept === "object" && kept !== null ? (kept as Record<string, string>) : {};
  } catch {
    return {};
  }
}

function keyOf(form: HTMLFormElement): string {
  return PREFIX + (form.dataset["draft"] ?? "");
}

function fieldsOf(form: HTMLFormElement): (HTMLInputElement | HTMLTextAreaElement)[] {
  return [...form.querySelectorAll<HTMLInputElement>("input[type=text], input:not([type]), textarea")];
}
