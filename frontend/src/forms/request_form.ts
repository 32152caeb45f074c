// Filing: the files of a form go ahead of it, one after another, and show how far they are; then the
// form is sent as it would be without a script, with their ids. What is refused is said in the form.

import { setFiles, formatSize } from "./file_picker";
import { type UploadFile, uploadFiles } from "./sending";
import { cloneTemplate, fillSlots } from "../ui/slots";

const REQUEST_FORM = "form[data-ahead]";

/** Forms whose files are uploaded before they are sent. */
export class RequestForms {
  readonly #upload: UploadFile;
  readonly #send: (form: HTMLFormElement) => void;
  readonly #allowResubmit: (form: HTMLFormElement) => void;

  /** `send` sends a form whose files have arrived; `stay` lets one be sent once more. */
  constructor(
    upload: UploadFile,
    send: (form: HTMLFormElement) => void,
    allowResubmit: (form: HTMLFormElement) => void,
  ) {
    this.#upload = upload;
    this.#send = send;
    this.#allowResubmit = allowResubmit;
  }

  /** Takes over the submission of such a form that has files; false for every other. */
  submit(form: HTMLFormElement): boolean {
    const field = form.matches(REQUEST_FORM)
      ? form.querySelector<HTMLInputElement>("input[type=file]")
      : null;
    if (!field?.files?.length) return false;
    void this.#uploadAndSend(form, field);
    return true;
  }

  async #uploadAndSend(form: HTMLFormElement, field: HTMLInputElement): Promise<void> {
    const files = readFiles(field);
    setFiles(field, []);
    const tell = (share: number): void => showProgress(form, share);
    for await (const { id, detail, file } of uploadFiles(
      this.#upload,
      uploadUrl(form),
      files,
      tell,
    )) {
      if (id === "") {
        setFiles(field, [...files.slice(files.indexOf(file)), ...readFiles(field)]);
        showError(form, [file.name, detail].filter(Boolean).join(": "));
        showProgress(form, null);
        this.#allowResubmit(form);
        return;
      }
      addUploadedFile(form, id, file);
    }
    this.#send(form);
  }
}

function readFiles(field: HTMLInputElement): File[] {
  return [...(field.files ?? [])];
}

/** Where files go: to the organization that is chosen now. */
function uploadUrl(form: HTMLFormElement): string {
  return `${form.dataset["ahead"] ?? ""}${String(new FormData(form).get("organization") ?? "")}`;
}

/** The file has arrived: the form names it, and whoever files can still leave it out. */
function addUploadedFile(form: HTMLFormElement, id: string, { name, size }: File): void {
  const row = cloneTemplate("kept-file");
  const box = row?.querySelector("input");
  if (!row || !box) return;
  fillSlots(row, { name, size: formatSize(size) }, 0);
  box.value = id;
  form.querySelector("[data-kept]")?.append(row);
}

/** How much of all of it has left, from 0 to 1; null: nothing is on its way. */
function showProgress(form: HTMLFormElement, share: number | null): void {
  const bar = form.querySelector("progress");
  if (!bar) return;
  bar.hidden = share === null;
  bar.value = share ?? 0;
}

function showError(form: HTMLFormElement, text: string): void {
  const notice = form.querySelector<HTMLElement>("[data-refused]");
  if (!notice) return;
  notice.hidden = false;
  notice.textContent = text;
}
