// Upload the files of a new request before its form is sent, with progress and errors in the form.
//
// Then the form is submitted as a page, as without a script, with the ids of the uploaded files.

import { cloneTemplate, fillSlots } from "../ui/slots";
import { formatSize, setFiles } from "./file_picker";
import { type UploadFile, uploadFiles } from "./sending";

const REQUEST_FORM = "form[data-upload-to]";

/** Forms whose files are uploaded before they are sent. */
export class RequestForms {
  readonly #upload: UploadFile;
  readonly #send: (form: HTMLFormElement) => void;
  readonly #allowResubmit: (form: HTMLFormElement) => void;

  /** `send` submits a form whose files are uploaded; `allowResubmit` unlocks one that failed. */
  constructor(
    upload: UploadFile,
    send: (form: HTMLFormElement) => void,
    allowResubmit: (form: HTMLFormElement) => void,
  ) {
    this.#upload = upload;
    this.#send = send;
    this.#allowResubmit = allowResubmit;
  }

  /** Upload first if the form has files to upload; return false for every other form. */
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
    const onProgress = (share: number): void => showProgress(form, share);
    const uploads = uploadFiles(this.#upload, uploadUrl(form), files, onProgress);
    for await (const { id, detail, file } of uploads) {
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

/** Build the upload URL for the organization that is chosen now. */
function uploadUrl(form: HTMLFormElement): string {
  return `${form.dataset["uploadTo"] ?? ""}${String(new FormData(form).get("organization") ?? "")}`;
}

/** Add an uploaded file to the form, as a checkbox that can still be cleared. */
function addUploadedFile(form: HTMLFormElement, id: string, { name, size }: File): void {
  const row = cloneTemplate("kept-file");
  const checkbox = row?.querySelector("input");
  if (!row || !checkbox) return;
  fillSlots(row, { name, size: formatSize(size) }, 0);
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

function showError(form: HTMLFormElement, text: string): void {
  const notice = form.querySelector<HTMLElement>("[data-refused]");
  if (!notice) return;
  notice.hidden = false;
  notice.textContent = text;
}
