// What is half-typed is kept in this browser until it is sent, under the name its form gives it.

const STORAGE_PREFIX = "deskwire:draft:"; // before a form's `data-draft`
const DRAFT_FORM = "form[data-draft]";
const KIND_FIELD = "kind"; // of a message: `reply` or `note`

/** Puts back what was typed before, into fields that are still empty, as the kind it was. */
export function restoreDrafts(storage: Storage): void {
  for (const form of document.querySelectorAll<HTMLFormElement>(DRAFT_FORM)) {
    const kept = readDraft(storage, form);
    if (kept[KIND_FIELD] === "note" && !findKindInput(form, "note")) continue; // it would become a reply
    for (const field of findTextFields(form)) {
      if (field.value === "" && kept[field.name]) field.value = kept[field.name] ?? "";
    }
    restoreKind(form, kept);
  }
}

/** Sets the switch of a composer that has one. */
export function setKind(form: HTMLFormElement, kind: "reply" | "note"): void {
  const choice = findKindInput(form, kind);
  if (choice) choice.checked = true;
}

/** Keeps what a form holds now, and its kind; forgets it once it is empty. */
export function saveDraft(storage: Storage, form: HTMLFormElement): void {
  if (!form.matches(DRAFT_FORM)) return;
  const typed = findTextFields(form).filter((field) => field.value !== "");
  const kept = Object.fromEntries(typed.map((field) => [field.name, field.value]));
  const kind = new FormData(form).get(KIND_FIELD);
  if (typeof kind === "string") kept[KIND_FIELD] = kind;
  try {
    if (typed.length === 0) storage.removeItem(storageKey(form));
    else storage.setItem(storageKey(form), JSON.stringify(kept));
  } catch {
    return; // the browser keeps nothing: then nothing is kept
  }
}

/** A form was sent as a page: its draft has served. */
export function deleteDraft(storage: Storage, form: HTMLFormElement): void {
  if (form.matches(DRAFT_FORM)) storage.removeItem(storageKey(form));
}

/** A note until it is known to be a reply: browsers put back texts and switches on their own, and
 * what was meant for the team must reach nobody else. */
function restoreKind(form: HTMLFormElement, draft: Record<string, string>): void {
  const typed = findTextFields(form).filter((field) => field.value !== "");
  if (typed.length === 0) return;
  const isReply =
    draft[KIND_FIELD] === "reply" && typed.every((one) => one.value === draft[one.name]);
  setKind(form, isReply ? "reply" : "note");
}

function findKindInput(form: HTMLFormElement, kind: "reply" | "note"): HTMLInputElement | null {
  return form.querySelector(`input[type=radio][name=${KIND_FIELD}][value=${kind}]`);
}

function readDraft(storage: Storage, form: HTMLFormElement): Record<string, string> {
  try {
    const kept: unknown = JSON.parse(storage.getItem(storageKey(form)) ?? "{}");
    return typeof kept === "object" && kept !== null ? (kept as Record<string, string>) : {};
  } catch {
    return {};
  }
}

function storageKey(form: HTMLFormElement): string {
  return STORAGE_PREFIX + (form.dataset["draft"] ?? "");
}

function findTextFields(form: HTMLFormElement): (HTMLInputElement | HTMLTextAreaElement)[] {
  return [
    ...form.querySelectorAll<HTMLInputElement>("input[type=text], input:not([type]), textarea"),
  ];
}
