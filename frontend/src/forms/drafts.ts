// Save drafts of unsent forms in localStorage, under the name in `data-draft`.

const STORAGE_PREFIX = "deskwire:draft:"; // followed by the form's `data-draft`
const DRAFT_FORM = "form[data-draft]";
const KIND_FIELD = "kind"; // the kind of message: `reply` or `note`

/** Restore drafts into fields that are still empty, with the kind of message they were. */
export function restoreDrafts(storage: Storage): void {
  for (const form of document.querySelectorAll<HTMLFormElement>(DRAFT_FORM)) {
    const draft = readDraft(storage, form);
    // Without the switch, the draft of an internal note would be sent as a public reply.
    if (draft[KIND_FIELD] === "note" && !findKindInput(form, "note")) continue;
    for (const field of findTextFields(form)) {
      if (field.value === "" && draft[field.name]) field.value = draft[field.name] ?? "";
    }
    restoreKind(form, draft);
  }
}

/** Set the reply/note switch of a form, if it has one. */
export function setKind(form: HTMLFormElement, kind: "reply" | "note"): void {
  const input = findKindInput(form, kind);
  if (input) input.checked = true;
}

/** Save a form's texts and kind; delete the draft once all texts are empty. */
export function saveDraft(storage: Storage, form: HTMLFormElement): void {
  if (!form.matches(DRAFT_FORM)) return;
  const typed = findTextFields(form).filter((field) => field.value !== "");
  const draft = Object.fromEntries(typed.map((field) => [field.name, field.value]));
  const kind = new FormData(form).get(KIND_FIELD);
  if (typeof kind === "string") draft[KIND_FIELD] = kind;
  try {
    if (typed.length === 0) storage.removeItem(storageKey(form));
    else storage.setItem(storageKey(form), JSON.stringify(draft));
  } catch {
    return; // storage is blocked or full: drafts are a convenience
  }
}

/** Delete the draft of a form that was sent. */
export function deleteDraft(storage: Storage, form: HTMLFormElement): void {
  if (form.matches(DRAFT_FORM)) storage.removeItem(storageKey(form));
}

/** Select `note` unless the text is known to be a reply.
 *
 * Browsers restore texts and switches on their own, independently of each other, and an internal
 * note must never be sent as a public reply.
 */
function restoreKind(form: HTMLFormElement, draft: Record<string, string>): void {
  const typed = findTextFields(form).filter((field) => field.value !== "");
  if (typed.length === 0) return;
  const isReply =
    draft[KIND_FIELD] === "reply" && typed.every((field) => field.value === draft[field.name]);
  setKind(form, isReply ? "reply" : "note");
}

function findKindInput(form: HTMLFormElement, kind: "reply" | "note"): HTMLInputElement | null {
  return form.querySelector(`input[type=radio][name=${KIND_FIELD}][value=${kind}]`);
}

function readDraft(storage: Storage, form: HTMLFormElement): Record<string, string> {
  try {
    const draft: unknown = JSON.parse(storage.getItem(storageKey(form)) ?? "{}");
    return typeof draft === "object" && draft !== null ? (draft as Record<string, string>) : {};
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
