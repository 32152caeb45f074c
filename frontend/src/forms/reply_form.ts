// Send replies and notes with an optimistic update: the line appears at once.
//
// The message has an id chosen here; its event carries the same id and confirms the line.

import { t } from "../i18n";
import type { DomRenderer } from "../ui/dom";
import { createRecord, type Drafts, setKind } from "./drafts";
import { uuid7 } from "./ids";
import type { Outbox } from "./outbox";
import { type SubmitResult, type UploadFile, uploadFiles } from "./sending";
import { fieldOf, type Unsent, type UnsentMessage, type UnsentRecords } from "./unsent";

const REPLY_FORM = "form[data-compose]";

/** What the reply forms work with. */
export interface ReplyEnvironment {
  renderer: DomRenderer;
  records: UnsentRecords;
  drafts: Drafts;
  upload: UploadFile;
  now(): number;
}

/** The reply forms of the page, and the messages that are not sent yet. */
export class ReplyForms {
  readonly #environment: ReplyEnvironment;
  readonly #files = new Map<string, File[]>(); // message id → files that are not uploaded yet

  constructor(environment: ReplyEnvironment) {
    this.#environment = environment;
  }

  /** Submit a reply form in the background; return false for every other form. */
  submit(form: HTMLFormElement, outbox: Outbox): boolean {
    if (!form.matches(REPLY_FORM)) return false;
    const { records, drafts, now } = this.#environment;
    const field = findTextarea(form);
    const text = field?.value ?? "";
    const ticket = form.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"];
    const files = takeFiles(form);
    if (!field || !ticket || (text.trim() === "" && files.length === 0)) return true;
    const kind = new FormData(form).get("kind") === "note" ? "note" : "reply";
    const { author = "", picture } = form.dataset;
    const fileNames = files.map((file) => file.name);
    const id = uuid7(now());
    const record: Unsent = {
      ...createRecord(id, form),
      fields: Object.entries({ id, text, kind }),
      message: { ticket, author, picture, at: now(), fileNames },
    };
    this.#files.set(id, files);
    void outbox.submit(record, form.action);
    if (!records.read(id)) return true; // the reader has just signed out
    drafts.delete(form);
    field.value = "";
    hideCollision(form);
    field.focus();
    return true;
  }

  /** Retry a message under the same id, or move its text back into the form. */
  retryOrDiscard(button: HTMLElement, outbox: Outbox): void {
    const { renderer, records } = this.#environment;
    const line = button.closest<HTMLElement>("[data-line]");
    const id = line?.dataset["line"] ?? "";
    const record = records.read(id);
    if (!record) {
      renderer.markSent(id); // by another tab, or its event is on the way
    } else if (button.dataset["action"] === "retry") {
      void outbox.retry(id);
    } else {
      records.remove(id);
      this.#files.delete(id);
      renderer.removePending(id);
      if (record.message) this.#putBack(record, record.message);
    }
  }

  /** Show the unsent messages of the requests that are open here. */
  showUnsent(): void {
    const { renderer, records } = this.#environment;
    for (const record of records.list()) {
      if (!record.message || !record.post) continue;
      if (renderer.isConfirmed(record.id)) records.remove(record.id); // it did arrive
      if (renderer.hasLine(record.id)) continue;
      this.showSending(record, record.message);
      if (record.post.refusal !== null) renderer.markFailed(record.id, record.post.refusal);
    }
  }

  showSending(record: Unsent, message: UnsentMessage): void {
    const kind = fieldOf(record, "kind") === "note" ? "note" : "reply";
    const text = fieldOf(record, "text");
    this.#environment.renderer.showPending({ ...message, id: record.id, kind, text });
  }

  /** Upload the files of a message, and add their ids to its record. Return a refusal, or null. */
  async prepare(record: Unsent, message: UnsentMessage): Promise<SubmitResult | null> {
    if (message.fileNames.length === 0) return null;
    const files = this.#files.get(record.id) ?? [];
    if (files.length === 0) return refuseLostFiles(message.fileNames);
    const { renderer, records, upload } = this.#environment;
    const onProgress = (share: number): void => renderer.showUploadProgress(record.id, share);
    const url = findReplyForm(message.ticket)?.dataset["uploads"] ?? "";
    const fields = [...record.fields];
    for await (const uploaded of uploadFiles(upload, url, files, onProgress)) {
      if (uploaded.id === "") return uploaded;
      fields.push(["file", uploaded.id]);
      const missing = files.slice(files.indexOf(uploaded.file) + 1);
      this.#files.set(record.id, missing);
      const fileNames = missing.map((file) => file.name);
      const latest = records.read(record.id);
      if (latest) records.update({ ...latest, fields, message: { ...message, fileNames } });
    }
    return null;
  }

  /** Warn in a form with unsent text that another person has just replied. */
  showCollision(ticket: string): void {
    const form = findReplyForm(ticket);
    const notice = form?.querySelector<HTMLElement>("[data-collision]");
    if (form && notice && findTextarea(form)?.value.trim()) notice.hidden = false;
  }

  #putBack(record: Unsent, { ticket }: UnsentMessage): void {
    const form = findReplyForm(ticket);
    const field = form && findTextarea(form);
    if (!form || !field) return;
    const kind = fieldOf(record, "kind") === "note" ? "note" : "reply";
    if (kind === "note" || !field.value) setKind(form, kind);
    field.value = [fieldOf(record, "text"), field.value].filter(Boolean).join("\n\n");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  }
}

function refuseLostFiles(names: readonly string[]): SubmitResult {
  const detail = t(
    "This browser no longer has the files %(names)s. Discard the message and attach them again.",
    { names: names.join(", ") },
  );
  return { status: 422, detail, id: "", href: "" };
}

function findReplyForm(ticket: string): HTMLFormElement | null {
  return document.querySelector(`[data-ticket="${CSS.escape(ticket)}"] ${REPLY_FORM}`);
}

function findTextarea(form: HTMLFormElement): HTMLTextAreaElement | null {
  return form.querySelector("textarea[name=text]");
}

/** Return the files chosen in a form, and clear its input. */
function takeFiles(form: HTMLFormElement): File[] {
  const input = form.querySelector<HTMLInputElement>("input[type=file]");
  const files = [...(input?.files ?? [])];
  if (input) input.value = "";
  input?.dispatchEvent(new Event("change", { bubbles: true })); // clears the list of chosen files
  return files;
}

function hideCollision(form: HTMLFormElement): void {
  const notice = form.querySelector<HTMLElement>("[data-collision]");
  if (notice) notice.hidden = true;
}
