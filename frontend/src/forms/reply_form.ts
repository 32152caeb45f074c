// Writing: what one sends is shown at once, under an id of its own, and its echo is known by it.

import { chooseKind } from "./drafts";
import { uuid7 } from "./ids";
import type { Screen, Sent } from "../ui/dom";
import { uploadAll } from "./sending";

export interface Answer {
  status: number; // 0: nothing answered
  detail: string; // why it was refused, for people
}

export interface Post {
  (url: string, fields: Record<string, string | string[]>): Promise<Answer>;
}

/** Uploads one file; its id, or why it was refused. Tells how many bytes have left. */
export interface Upload {
  (url: string, file: File, tell: (bytes: number) => void): Promise<Answer & { id: string }>;
}

const COMPOSER = "form[data-compose]";

/** The composers of the page: their forms, what of them is on its way, and what came to nothing. */
export class Compose {
  readonly #screen: Screen;
  readonly #post: Post;
  readonly #upload: Upload;
  readonly #now: () => number;
  readonly #failed = new Map<string, { form: HTMLFormElement; sent: Sent }>();

  constructor(screen: Screen, post: Post, upload: Upload, now: () => number) {
    this.#screen = screen;
    this.#post = post;
    this.#upload = upload;
    this.#now = now;
  }

  /** Takes over the submission of a composer; false for every other form. */
  submit(form: HTMLFormElement): boolean {
    if (!form.matches(COMPOSER)) return false;
    const field = fieldOf(form);
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
  settle(button: HTMLElement): void {
    const id = button.closest<HTMLElement>("[data-line]")?.dataset["line"] ?? "";
    const failed = this.#failed.get(id);
    if (!failed) return;
    this.#failed.delete(id);
    if (button.dataset["action"] === "retry") {
      void this.#send(failed.form, failed.sent);
      return;
    }
    this.#screen.takeBack(id);
    const field = fieldOf(failed.form);
    if (failed.sent.kind === "note" || !field?.value) chooseKind(failed.form, failed.sent.kind);
    if (field) field.value = [failed.sent.text, field.value].filter(Boolean).join("\n\n");
    field?.dispatchEvent(new Event("input", { bubbles: true }));
    field?.focus();
  }

  /** Somebody else has replied: whoever is writing there is told. */
  collide(ticket: string): void {
    for (const form of document.querySelectorAll<HTMLFormElement>(COMPOSER)) {
      const isThere = form.closest<HTMLElement>("[data-ticket]")?.dataset["ticket"] === ticket;
      const notice = form.querySelector<HTMLElement>("[data-collision]");
      if (notice && isThere && fieldOf(form)?.value.trim()) notice.hidden = false;
    }
  }

  async #send(form: HTMLFormElement, sent: Sent): Promise<void> {
    this.#screen.showSent(sent);
    const { id, text, kind } = sent;
    const file: string[] = [];
    let refused: Answer | null = null;
    const tell = (share: number): void => this.#screen.showProgress(id, share);
    const address = form.dataset["uploads"] ?? "";
    for await (const kept of uploadAll(this.#upload, address, sent.files, tell)) {
      if (kept.id === "") refused = kept;
      file.push(kept.id);
    }
    const answer = refused ?? (await this.#post(form.action, { id, text, kind, file }));
    if (answer.status >= 200 && answer.status < 300) {
      this.#screen.confirm(id);
      return;
    }
    this.#failed.set(id, { form, sent });
    this.#screen.fail(id, answer.detail);
  }
}

function fieldOf(form: HTMLFormElement): HTMLTextAreaElement | null {
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
