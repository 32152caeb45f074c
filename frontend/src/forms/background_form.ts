// Send forms in the background, so that their page and its text stay until the server has said yes.
//
// Then the page that the server names is opened. A refusal is shown by the server's own page: the
// form is submitted again as a page, as without a script.

import { cloneTemplate, fillSlots } from "../ui/slots";
import { type Drafts, findTextFields } from "./drafts";
import { formatSize, setFiles } from "./file_picker";
import type { Outbox } from "./outbox";
import { type UploadFile, uploadFiles } from "./sending";
import type { Unsent } from "./unsent";

const BACKGROUND_FORM = "form[data-background]";

/** The forms of the page that are sent in the background. */
export class BackgroundForms {
  readonly #upload: UploadFile;
  readonly #drafts: Drafts;

  constructor(upload: UploadFile, drafts: Drafts) {
    this.#upload = upload;
    this.#drafts = drafts;
  }

  /** Send a form, after its files; return false for every other form. */
  submit(form: HTMLFormElement, outbox: Outbox): boolean {
    if (!form.matches(BACKGROUND_FORM)) return false;
    if (!isLocked(form)) void this.#send(form, outbox);
    return true;
  }

  /** Show in the forms of this page which of them are on their way, or were refused elsewhere. */
  showUnsent(): void {
    for (const form of document.querySelectorAll<HTMLFormElement>(BACKGROUND_FORM)) {
      const record = this.#drafts.recordOf(form);
      if (record) restoreFiles(form, record);
      else if (isLocked(form) && this.#drafts.isSettled(form)) location.reload(); // it is sent
      if (!record?.post) continue;
      if (record.post.refusal === null) {
        lock(form, true);
        continue;
      }
      this.#drafts.withdraw(form);
      showNotice(form, "[data-refused]", record.post.refusal);
    }
  }

  /** Show that a form is being sent, or why it still waits. */
  showWaiting(form: HTMLFormElement, reason: string): void {
    lock(form, true);
    showNotice(form, "[data-waiting]", reason);
  }

  /** Let the server show why it refuses a form. */
  submitAsPage(form: HTMLFormElement): void {
    this.#drafts.withdraw(form);
    lock(form, false);
    form.submit();
  }

  async #send(form: HTMLFormElement, outbox: Outbox): Promise<void> {
    lock(form, true);
    showNotice(form, "[data-refused]", "");
    const field = form.querySelector<HTMLInputElement>("input[type=file]");
    if (field?.files?.length && !(await this.#uploadFiles(form, field))) {
      lock(form, false);
      return;
    }
    await outbox.submit(this.#drafts.record(form), form.action);
  }

  async #uploadFiles(form: HTMLFormElement, field: HTMLInputElement): Promise<boolean> {
    const files = readFiles(field);
    setFiles(field, []);
    const onProgress = (share: number): void => showProgress(form, share);
    const uploads = uploadFiles(this.#upload, uploadUrl(form), files, onProgress);
    for await (const { id, detail, file } of uploads) {
      if (id === "") {
        setFiles(field, [...files.slice(files.indexOf(file)), ...readFiles(field)]);
        showNotice(form, "[data-refused]", [file.name, detail].filter(Boolean).join(": "));
        showProgress(form, null);
        return false;
      }
      addUploadedFile(form, { id, name: file.name, size: formatSize(file.size) });
    }
    return true;
  }
}

/** Lock a form while it is sent: what arrives must be what it shows. */
function lock(form: HTMLFormElement, isSending: boolean): void {
  form.toggleAttribute("data-sending", isSending);
  for (const field of findTextFields(form)) field.readOnly = isSending;
  form.querySelectorAll("select").forEach((select) => (select.inert = isSending));
  if (!isSending) showNotice(form, "[data-waiting]", "");
}

function isLocked(form: HTMLFormElement): boolean {
  return form.hasAttribute("data-sending");
}

function readFiles(field: HTMLInputElement): File[] {
  return [...(field.files ?? [])];
}

/** Build the upload URL for the organization that is chosen now. */
function uploadUrl(form: HTMLFormElement): string {
  const organization = new FormData(form).get("organization") ?? "";
  return `${form.dataset["uploadTo"] ?? ""}${organization as string}`;
}

/** Add the uploaded files of a restored form that the page does not list yet. */
function restoreFiles(form: HTMLFormElement, { files }: Unsent): void {
  for (const file of files) {
    const listed = form.querySelector(`[data-kept] input[value="${CSS.escape(file.id)}"]`);
    if (!listed) addUploadedFile(form, file);
  }
}

/** Add an uploaded file to the form, as a checkbox that can still be cleared. */
function addUploadedFile(form: HTMLFormElement, { id, name, size }: Unsent["files"][number]): void {
  const row = cloneTemplate("kept-file");
  const checkbox = row?.querySelector("input");
  if (!row || !checkbox) return;
  fillSlots(row, { name, size }, 0);
  checkbox.value = id;
  form.querySelector("[data-kept]")?.append(row);
}

/** Show the uploaded share of all files, from 0 to 1; null hides the bar. */
function showProgress(form: HTMLFormElement, share: number | null): void {
  const bar = form.querySelector("progress");
  if (!bar) return;
  bar.hidden = share === null;
  bar.value = share ?? 0;
}

/** Show a notice of a form; an empty text hides it. */
function showNotice(form: HTMLFormElement, selector: string, text: string): void {
  const notice = form.querySelector<HTMLElement>(selector);
  if (!notice) return;
  notice.hidden = text === "";
  notice.textContent = text;
}
