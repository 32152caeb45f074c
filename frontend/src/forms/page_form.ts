// Ask whether the server is there before a form is submitted as a page.
//
// A browser that reaches no server shows a page of its own, and a session that has ended leads to
// the sign-in page: what was typed would be gone with the page it was typed into.

import { findTextFields, isTyped } from "./drafts";

const ANSWERED_BY = 500; // statuses from here on are a server's or proxy's "not now"

/** What becomes of a form that cannot be submitted now. */
export interface PageFormEnvironment {
  probeStatus(): Promise<number>; // HTTP status; rejects if nothing answers
  onSignedOut(): void;
  onUnreachable(): void;
}

/** Forms that are submitted as a page, once the server has answered. */
export class PageForms {
  readonly #environment: PageFormEnvironment;
  readonly #asking = new WeakSet<HTMLFormElement>();
  readonly #answered = new WeakSet<HTMLFormElement>();

  constructor(environment: PageFormEnvironment) {
    this.#environment = environment;
  }

  /** Return whether a form is held back; if it may go, it is submitted again. */
  submit(form: HTMLFormElement, submitter: HTMLElement | null): boolean {
    if (form.method !== "post" || !holdsInput(form)) return false;
    if (this.#answered.delete(form)) return false;
    if (!this.#asking.has(form)) void this.#ask(form, submitter);
    return true;
  }

  async #ask(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
    this.#asking.add(form);
    const status = await this.#environment.probeStatus().catch(() => 0);
    this.#asking.delete(form);
    if (status === 401) this.#environment.onSignedOut();
    else if (status === 0 || status >= ANSWERED_BY) this.#environment.onUnreachable();
    else if (form.isConnected) {
      this.#answered.add(form);
      form.requestSubmit(submitter);
    }
  }
}

/** Return whether the reader has typed or chosen something that would have to be entered again. */
function holdsInput(form: HTMLFormElement): boolean {
  const files = form.querySelector<HTMLInputElement>("input[type=file]")?.files ?? [];
  return files.length > 0 || findTextFields(form).some(isTyped);
}
