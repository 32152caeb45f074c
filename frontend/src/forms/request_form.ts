// Filing: the files of a form go ahead of it, one after another, and show how far they are; then the
// form is sent as it would be without a script, with their ids. What is refused is said in the form.

import { choose, sizeText } from "./file_picker";
import type { Upload } from "./reply_form";
import { uploadAll } from "./sending";
import { cloneOf, fill } from "../ui/slots";

const FORMS = "form[data-ahead]";

/** Forms whose files are uploaded before they are sent. */
export class Filing {
  readonly #upload: Upload;
  readonly #send: (form: HTMLFormElement) => void;
  readonly #stay: (form: HTMLFormElement) => void;

  /** `send` sends a form whose files have arrived; `stay` lets one be sent once more. */
  constructor(
    upload: Upload,
    send: (form: HTMLFormElement) => void,
    stay: (form: HTMLFormElement) => void,
  ) {
    this.#upload = upload;
    this.#send = send;
    this.#stay = stay;
  }

  /** Takes over the submission of such a form that has files; false for every other. */
  submit(form: HTMLFormElement): boolean {
    const field = form.matches(FORMS) ? form.querySelector<HTMLInputElement>("input[type=file]") : null;
    if (!field?.files?.length) return false;
    void this.#go(form, field);
    return true;
  }

  async #go(form: HTMLFormElement, field: HTMLInputElement): Promise<void> {
    const files = filesOf(field);
    choose(field, []);
    const tell = (share: number): void => show(form, share);
    for await (const { id, detail, file } of uploadAll(this.#upload, addressOf(form), files, tell)) {
      if (id === "") {
        choose(field, [...files.slice(files.indexOf(file)), ...filesOf(field)]);
        say(form, [file.name, detail].filter(Boolean).join(": "));
        show(form, null);
        this.#stay(form);
        return;
      }
      keep(form, id, file);
    }
    this.#send(form);
  }
}

function filesOf(field: HTMLInputElement): File[] {
  return [...(field.files ?? [])];
}

/** Where files go: to the organization that is chosen now. */
function addressOf(form: HTMLFormElement): string {
  return `${form.dataset["ahead"] ?? ""}${String(new FormData(form).get("organization") ?? "")}`;
}

/** The file has arrived: the form names it, and whoever files can still leave it out. */
function keep(form: HTMLFormElement, id: string, { name, size }: File): void {
  const row = cloneOf("kept-file");
  const box = row?.querySelector("input");
  if (!row || !box) return;
  fill(row, { name, size: sizeText(size) }, 0);
  box.value = id;
  form.querySelector("[data-kept]")?.append(row);
}

/** How much of all of it has left, from 0 to 1; null: nothing is on its way. */
function show(form: HTMLFormElement, share: number | null): void {
  const bar = form.querySelector("progress");
  if (!bar) return;
  bar.hidden = share === null;
  bar.value = share ?? 0;
}

function say(form: HTMLFormElement, text: string): void {
  const notice = form.querySelector<HTMLElement>("[data-refused]");
  if (!notice) return;
  notice.hidden = false;
  notice.textContent = text;
}
