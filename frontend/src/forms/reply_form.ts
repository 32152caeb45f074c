// Send replies and notes with an optimistic update: the line appears at once.
//
// The message has an id chosen here; its event carries the same id and confirms the line.

import type { DomRenderer, PendingMessage } from "../ui/dom";
import { setKind } from "./drafts";
import { uuid7 } from "./ids";
import { type PostForm, type SubmitResult, type UploadFile, uploadFiles } from "./sending";

const REPLY_FORM = "form[data-compose]";

/** The reply forms of the page, with the messages that failed. */
export class ReplyForms {
  readonly #renderer: DomRenderer;
  readonly #post: PostForm;
  readonly #upload: UploadFile;
  readonly #now: () => number;
  readonly #failedMessages = new Map<string, { form: HTMLFormElement; sent: PendingMessage }>();

  constructor(renderer: DomRenderer, post: PostForm, upload: UploadFile, now: () => number) {
    this.#renderer = renderer;
    this.#post = post;
    this.#upload = upload;
    this.#now = now;
  }

  /** Submit a reply form in the background; return false for every other form. */
  submit(form: HTMLFormElement): boolean {
    if (!form.matches(REPLY_FORM)) return false;
    const field = findTextarea(form);
    const text = field?.value ?? "";
    const ticket = form.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"];
    const files = takeFiles(form);
    if (!field || !ticket || (text.trim() === "" && files.length === 0)) return true;
    const kind = new FormData(form).get("kind") === "note" ? "note" : "reply";
    const author = form.dataset["author"] ?? "";
    const picture = form.dataset["picture"];
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true })); // deletes the draft
    hideCollision(form);
    const id = uuid7(this.#now());
    void this.#send(form, { id, ticket, kind, author, picture, text, files, at: this.#now() });
    field.focus();
    return true;
  }

  /** Retry a failed message under the same id, or move its text back into the form. */
  retryOrDiscard(button: HTMLElement): void {
    const id = button.closest<HTMLElement>("[data-line]")?.dataset["line"] ?? "";
    const failed = this.#failedMessages.get(id);
    if (!failed) return;
    this.#failedMessages.delete(id);
    if (button.dataset["action"] === "retry") {
      void this.#send(failed.form, failed.sent);
      return;
    }
    this.#renderer.removePending(id);
    const field = findTextarea(failed.form);
    if (failed.sent.kind === "note" || !field?.value) setKind(failed.form, failed.sent.kind);
    if (field) field.value = [failed.sent.text, field.value].filter(Boolean).join("\n\n");
    field?.dispatchEvent(new Event("input", { bubbles: true }));
    field?.focus();
  }

  /** Warn in a form with unsent text that another person has just replied. */
  showCollision(ticket: string): void {
    for (const form of document.querySelectorAll<HTMLFormElement>(REPLY_FORM)) {
      const isOfTicket = form.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"] === ticket;
      const notice = form.querySelector<HTMLElement>("[data-collision]");
      if (notice && isOfTicket && findTextarea(form)?.value.trim()) notice.hidden = false;
    }
  }

  async #send(form: HTMLFormElement, message: PendingMessage): Promise<void> {
    this.#renderer.showPending(message);
    const { id, text, kind } = message;
    const file: string[] = []; // ids of uploaded files
    let refusal: SubmitResult | null = null;
    const onProgress = (share: number): void => this.#renderer.showUploadProgress(id, share);
    const url = form.dataset["uploads"] ?? "";
    for await (const uploaded of uploadFiles(this.#upload, url, message.files, onProgress)) {
      if (uploaded.id === "") refusal = uploaded;
      file.push(uploaded.id);
    }
    const result = refusal ?? (await this.#post(form.action, { id, text, kind, file }));
    if (result.status >= 200 && result.status < 300) {
      this.#renderer.markSent(id);
      return;
    }
    this.#failedMessages.set(id, { form, sent: message });
    this.#renderer.markFailed(id, result.detail);
  }
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
