// What is half-typed is kept in this browser until it is sent, under the name its form gives it.

const PREFIX = "deskwire:draft:"; // before a form's `data-draft`
const FORMS = "form[data-draft]";
const KIND = "kind"; // of a message: `reply` or `note`

/** Puts back what was typed before, into fields that are still empty, as the kind it was. */
export function restoreDrafts(store: Storage): void {
  for (const form of document.querySelectorAll<HTMLFormElement>(FORMS)) {
    const kept = read(store, form);
    if (kept[KIND] === "note" && !choiceOf(form, "note")) continue; // it would become a reply
    for (const field of fieldsOf(form)) {
      if (field.value === "" && kept[field.name]) field.value = kept[field.name] ?? "";
    }
    settleKind(form, kept);
  }
}

/** Sets the switch of a composer that has one. */
export function chooseKind(form: HTMLFormElement, kind: "reply" | "note"): void {
  const choice = choiceOf(form, kind);
  if (choice) choice.checked = true;
}

/** Keeps what a form holds now, and its kind; forgets it once it is empty. */
export function keepDraft(store: Storage, form: HTMLFormElement): void {
  if (!form.matches(FORMS)) return;
  const typed = fieldsOf(form).filter((field) => field.value !== "");
  const kept = Object.fromEntries(typed.map((field) => [field.name, field.value]));
  const kind = new FormData(form).get(KIND);
  if (typeof kind === "string") kept[KIND] = kind;
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

/** A note until it is known to be a reply: browsers put back texts and switches on their own, and
 * what was meant for the team must reach nobody else. */
function settleKind(form: HTMLFormElement, kept: Record<string, string>): void {
  const typed = fieldsOf(form).filter((field) => field.value !== "");
  if (typed.length === 0) return;
  const isReply = kept[KIND] === "reply" && typed.every((one) => one.value === kept[one.name]);
  chooseKind(form, isReply ? "reply" : "note");
}

function choiceOf(form: HTMLFormElement, kind: "reply" | "note"): HTMLInputElement | null {
  return form.querySelector(`input[type=radio][name=${KIND}][value=${kind}]`);
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
