// Writing: what one sends is shown at once, under an id of its own, and its echo is known by it.

import { setKind } from "./drafts";
import { uuid7 } from "./ids";
import type { DomRenderer, PendingMessage } from "../ui/dom";
import { type PostForm, type SubmitResult, type UploadFile, uploadFiles } from "./sending";

const REPLY_FORM = "form[data-compose]";

/** The composers of the page: their forms, what of them is on its way, and what came to nothing. */
export class ReplyForms {
  readonly #renderer: DomRenderer;
  readonly #post: PostForm;
  readonly #upload: UploadFile;
  readonly #now: () => number;
  readonly #failedMessages = new Map<string, { form: HTMLFormElement; sent: PendingMessage }>();

  constructor(screen: DomRenderer, post: PostForm, upload: UploadFile, now: () => number) {
    this.#renderer = screen;
    this.#post = post;
    this.#upload = upload;
    this.#now = now;
  }

  /** Takes over the submission of a composer; false for every other form. */
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
    field.dispatchEvent(new Event("input", { bubbles: true })); // its draft goes with it
    hideCollision(form);
    const id = uuid7(this.#now());
    void this.#send(form, { id, ticket, kind, author, picture, text, files, at: this.#now() });
    field.focus();
    return true;
  }

  /** Sends once more what came to nothing, under the same id, or puts it back into its field. */
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

  /** Somebody else has replied: whoever is writing there is told. */
  showCollision(ticket: string): void {
    for (const form of document.querySelectorAll<HTMLFormElement>(REPLY_FORM)) {
      const isThere = form.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"] === ticket;
      const notice = form.querySelector<HTMLElement>("[data-collision]");
      if (notice && isThere && findTextarea(form)?.value.trim()) notice.hidden = false;
    }
  }

  async #send(form: HTMLFormElement, message: PendingMessage): Promise<void> {
    this.#renderer.showPending(message);
    const { id, text, kind } = message;
    const file: string[] = [];
    let refused: SubmitResult | null = null;
    const tell = (share: number): void => this.#renderer.showUploadProgress(id, share);
    const address = form.dataset["uploads"] ?? "";
    for await (const kept of uploadFiles(this.#upload, address, message.files, tell)) {
      if (kept.id === "") refused = kept;
      file.push(kept.id);
    }
    const answer = refused ?? (await this.#post(form.action, { id, text, kind, file }));
    if (answer.status >= 200 && answer.status < 300) {
      this.#renderer.markSent(id);
      return;
    }
    this.#failedMessages.set(id, { form, sent: message });
    this.#renderer.markFailed(id, answer.detail);
  }
}

function findTextarea(form: HTMLFormElement): HTMLTextAreaElement | null {
  return form.querySelector("textarea[name=text]");
}

/** The files chosen in a form, which then has none. */
function takeFiles(form: HTMLFormElement): File[] {
  const input = form.querySelector<HTMLInputElement>("input[type=file]");
  const files = [...(input?.files ?? [])];
  if (input) input.value = "";
  input?.dispatchEvent(new Event("change", { bubbles: true })); // none is listed any more
  return files;
}

function hideCollision(form: HTMLFormElement): void {
  const notice = form.querySelector<HTMLElement>("[data-collision]");
  if (notice) notice.hidden = true;
}
