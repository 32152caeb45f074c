// Save what is typed into forms with `data-draft`, and put it back into them.

import type { UnsentRecords, Unsent } from "./unsent";
import { fieldOf } from "./unsent";

const DRAFT_FORM = "form[data-draft]";
const KIND_FIELD = "kind"; // the kind of message: `reply` or `note`

type TextField = HTMLInputElement | HTMLTextAreaElement;

/** The forms of the page, each with the record of what is typed into it. */
export class Drafts {
  readonly #records: UnsentRecords;
  readonly #createId: () => string;
  readonly #recordIds = new WeakMap<HTMLFormElement, string>();

  constructor(records: UnsentRecords, createId: () => string) {
    this.#records = records;
    this.#createId = createId;
  }

  /** Restore drafts into unchanged fields; call it again once browsers restored theirs.
   *
   * A draft of this tab comes first, then the newest that no open tab shows.
   */
  restore(goneTabs: ReadonlySet<string> = new Set()): void {
    for (const form of document.querySelectorAll<HTMLFormElement>(DRAFT_FORM)) {
      const record = this.recordOf(form) ?? this.#findFree(form, goneTabs);
      // Without the switch, the draft of an internal note would be sent as a public reply.
      const isNote = record !== null && fieldOf(record, KIND_FIELD) === "note";
      if (isNote && !findKindInput(form, "note")) continue;
      if (record && fillForm(form, record)) this.#attach(form, record);
      restoreKind(form, record);
    }
  }

  /** Save what is typed into a form; delete the draft once nothing is. */
  save(form: HTMLFormElement): void {
    const record = this.recordOf(form);
    if (!form.matches(DRAFT_FORM) || record?.post) return;
    if (findTextFields(form).some(isTyped)) this.record(form);
    else if (record) this.delete(form);
  }

  /** Save all fields of a form as they are now; return the record. */
  record(form: HTMLFormElement): Unsent {
    const id = this.#recordIds.get(form) ?? this.#createId();
    this.#recordIds.set(form, id);
    const fields = [...new FormData(form)].flatMap(([name, value]): [string, string][] =>
      typeof value === "string" ? [[name, value]] : [],
    );
    const record = { ...createRecord(id, form), fields, files: listUploadedFiles(form) };
    this.#records.save(record);
    return record;
  }

  /** Return the record of what a form shows. */
  recordOf(form: HTMLFormElement): Unsent | null {
    return this.#records.read(this.#recordIds.get(form) ?? "");
  }

  /** Return whether another page or tab has sent or deleted what a form shows. */
  isSettled(form: HTMLFormElement): boolean {
    return this.#recordIds.has(form) && this.recordOf(form) === null;
  }

  /** Find the form of this page that shows a record. */
  findForm(id: string): HTMLFormElement | null {
    const forms = document.querySelectorAll<HTMLFormElement>(DRAFT_FORM);
    return [...forms].find((form) => this.#recordIds.get(form) === id) ?? null;
  }

  /** Make a submitted form a draft again, if something is typed into it. */
  withdraw(form: HTMLFormElement): void {
    const record = this.recordOf(form);
    if (!findTextFields(form).some(isTyped)) this.delete(form);
    else if (record) this.#records.save({ ...record, post: null });
  }

  /** Delete the draft of a form. */
  delete(form: HTMLFormElement): void {
    this.#records.remove(this.#recordIds.get(form) ?? "");
    this.#recordIds.delete(form);
  }

  #attach(form: HTMLFormElement, record: Unsent): void {
    this.#recordIds.set(form, record.id);
    this.#records.update(record); // it is this tab's from now on
  }

  #findFree(form: HTMLFormElement, goneTabs: ReadonlySet<string>): Unsent | null {
    const free = this.#records
      .list()
      .filter(
        (record) =>
          record.draft === form.dataset["draft"] &&
          record.message === null &&
          this.#records.isFree(record, goneTabs),
      );
    const isOwn = ({ tab }: Unsent): number => Number(tab === this.#records.tab);
    return free.sort((a, b) => isOwn(b) - isOwn(a) || b.savedAt - a.savedAt)[0] ?? null;
  }
}

/** Create an empty record for a form. */
export function createRecord(id: string, form: HTMLFormElement): Unsent {
  return {
    id,
    draft: form.dataset["draft"] ?? "",
    page: location.pathname + location.search,
    tab: "",
    isOpen: true,
    savedAt: 0,
    fields: [],
    files: [],
    message: null,
    post: null,
  };
}

/** Set the reply/note switch of a form, if it has one. */
export function setKind(form: HTMLFormElement, kind: "reply" | "note"): void {
  const input = findKindInput(form, kind);
  if (input) input.checked = true;
}

/** Find the fields of a form that hold what people type. */
export function findTextFields(form: HTMLFormElement): TextField[] {
  const selector = "input[type=text], input[type=email], input:not([type]), textarea";
  return [...form.querySelectorAll<TextField>(selector)];
}

/** Return whether a field holds a text that is not the server's. */
export function isTyped(field: TextField): boolean {
  const isPrefilled = "prefilled" in (field.form?.dataset ?? {});
  return field.value !== "" && (!isPrefilled || field.value !== field.defaultValue);
}

/** Fill the fields that still hold the server's value; return false if all texts differ. */
function fillForm(form: HTMLFormElement, record: Unsent): boolean {
  const texts = findTextFields(form);
  const isOther = (field: TextField): boolean =>
    field.value !== field.defaultValue && field.value !== fieldOf(record, field.name);
  if (texts.length > 0 && texts.every(isOther)) return false; // restored by the browser
  for (const field of texts) {
    const text = fieldOf(record, field.name);
    if (text !== "" && field.value === field.defaultValue) field.value = text;
  }
  for (const select of form.querySelectorAll("select")) {
    const value = fieldOf(record, select.name);
    if ([...select.options].some((option) => option.value === value)) select.value = value;
  }
  // A request that may have arrived must be sent under the same id again.
  const id = form.querySelector<HTMLInputElement>("input[type=hidden][name=id]");
  if (id && fieldOf(record, "id")) id.value = fieldOf(record, "id");
  return true;
}

/** Select `note` unless the text is known to be a reply.
 *
 * Browsers restore texts and switches on their own, independently of each other, and an internal
 * note must never be sent as a public reply.
 */
function restoreKind(form: HTMLFormElement, record: Unsent | null): void {
  const typed = findTextFields(form).filter((field) => field.value !== "");
  if (typed.length === 0) return;
  const isReply =
    record !== null &&
    fieldOf(record, KIND_FIELD) === "reply" &&
    typed.every((field) => field.value === fieldOf(record, field.name));
  setKind(form, isReply ? "reply" : "note");
}

function findKindInput(form: HTMLFormElement, kind: "reply" | "note"): HTMLInputElement | null {
  return form.querySelector(`input[type=radio][name=${KIND_FIELD}][value=${kind}]`);
}

function listUploadedFiles(form: HTMLFormElement): Unsent["files"] {
  const rows = [...form.querySelectorAll("[data-kept] li")];
  return rows.flatMap((row) => {
    const id = row.querySelector<HTMLInputElement>("input:checked")?.value;
    const read = (name: string): string =>
      row.querySelector(`[data-field=${name}]`)?.textContent ?? "";
    return id ? [{ id, name: read("name"), size: read("size") }] : [];
  });
}
