// Connect the forms of the page: drafts, sending in the background, and the question at sign-out.

import type { Clock } from "../clock";
import { t } from "../i18n";
import type { Store } from "../store/store";
import { BackgroundForms } from "./background_form";
import { Drafts } from "./drafts";
import { showNetworkError } from "./htmx";
import { uuid7 } from "./ids";
import { Outbox } from "./outbox";
import { PageForms } from "./page_form";
import { ReplyForms } from "./reply_form";
import { postFields, uploadFile } from "./sending";
import { keepTabId, openStorage, takeTabId, watchTabs } from "./tabs";
import { deleteExpired, fieldOf, type Unsent, UnsentRecords } from "./unsent";

const LEAVE_TIMEOUT = 5_000; // ms until a page that is being left is gone, unless it was a download
const MAX_EXCERPT = 80; // characters of an unsent text in a toast

/** What the forms of a person's page need. */
export interface FormsEnvironment {
  store: Store;
  clock: Clock;
  person: string; // public id
  createTabId(): string;
  probeStatus(): Promise<number>;
}

/** The forms of a page, for events that concern them. */
export interface WatchedForms {
  showCollision(ticket: string): void;
  /** Send what waits: the server may be back. */
  wake(): void;
}

/** Restore and send what is unsent, and watch the forms of a person's page. */
export function watchForms(environment: FormsEnvironment): WatchedForms {
  const forms = new PersonForms(environment);
  forms.watch();
  return forms;
}

/** Ignore the second submit of `data-once` forms. Call it last: other code may hold a form back. */
export function watchOnceForms(): void {
  addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (event.defaultPrevented || !("once" in form.dataset)) return;
    if (form.dataset["once"] === "sent") event.preventDefault();
    form.dataset["once"] = "sent";
    addEventListener("pageshow", () => (form.dataset["once"] = ""), { once: true });
  });
}

class PersonForms implements WatchedForms {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #records: UnsentRecords;
  readonly #drafts: Drafts;
  readonly #replies: ReplyForms;
  readonly #background: BackgroundForms;
  readonly #pageForms: PageForms;
  readonly #outbox: Outbox;
  readonly #findOpenTabs: () => Promise<Set<string>>;
  readonly #session = openStorage("sessionStorage");
  readonly #tab: string;
  #leftAt = 0; // ms since 1970; when the reader last set out for another page

  constructor({ store, clock, person, createTabId, probeStatus }: FormsEnvironment) {
    const storage = openStorage("localStorage");
    const now = (): number => clock.now();
    deleteExpired(storage, now());
    this.#store = store;
    this.#clock = clock;
    this.#tab = takeTabId(this.#session, createTabId);
    this.#findOpenTabs = watchTabs(this.#tab);
    this.#records = new UnsentRecords(storage, person, this.#tab, now);
    this.#drafts = new Drafts(this.#records, () => uuid7(now()));
    this.#background = new BackgroundForms(uploadFile, this.#drafts);
    const { renderer } = store;
    const [records, drafts] = [this.#records, this.#drafts];
    this.#replies = new ReplyForms({ renderer, records, drafts, upload: uploadFile, now });
    this.#pageForms = new PageForms({
      probeStatus,
      onSignedOut: () => store.showSignedOut(),
      onUnreachable: () => showNetworkError(store, clock),
    });
    this.#outbox = new Outbox(this.#records, clock, postFields, {
      onSending: (record) => this.#onSending(record),
      onSent: (record, href) => this.#onSent(record, href),
      onWaiting: (record, reason) => this.#onWaiting(record, reason),
      onRefused: (record, reason) => this.#onRefused(record, reason),
      onSignedOut: () => store.showSignedOut(),
      prepare: async (record) =>
        record.message && (await this.#replies.prepare(record, record.message)),
    });
  }

  watch(): void {
    this.#showUnsent();
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) this.#comeBack();
      else this.#drafts.restore(); // browsers restore fields after scripts ran
    });
    addEventListener("storage", ({ newValue }) => {
      if (newValue === null) this.#background.showUnsent(); // another tab has sent something
    });
    addEventListener("beforeunload", () => (this.#leftAt = this.#clock.now()));
    addEventListener("pagehide", () => {
      keepTabId(this.#session, this.#tab);
      this.#records.release();
    });
    document.addEventListener("input", ({ target }) => {
      const { form } = target as HTMLInputElement;
      if (form) this.#drafts.save(form);
    });
    document.addEventListener("submit", (event) => this.#onSubmit(event));
    document.addEventListener("click", (event) => {
      const button = (event.target as Element).closest<HTMLElement>(
        '[data-action="retry"], [data-action="discard"]',
      );
      if (button) this.#replies.retryOrDiscard(button, this.#outbox);
    });
    addEventListener("online", () => this.wake());
    void this.#takeOver();
  }

  showCollision(ticket: string): void {
    this.#replies.showCollision(ticket);
  }

  wake(): void {
    void this.#outbox.flush();
  }

  /** Continue on a page that the browser has kept while the tab was on another. */
  #comeBack(): void {
    takeTabId(this.#session, () => this.#tab);
    this.#records.reclaim();
    this.#background.showUnsent();
  }

  #showUnsent(goneTabs: ReadonlySet<string> = new Set()): void {
    this.#drafts.restore(goneTabs);
    this.#background.showUnsent();
    this.#replies.showUnsent();
    void this.#outbox.flush(goneTabs);
  }

  /** Take over what a tab has left that crashed or was closed without a word. */
  async #takeOver(): Promise<void> {
    const isOthers = ({ tab, isOpen }: Unsent): boolean => isOpen && tab !== this.#tab;
    if (!this.#records.list().some(isOthers)) return;
    const open = await this.#findOpenTabs();
    const others = this.#records.list().filter(isOthers);
    this.#showUnsent(new Set(others.map(({ tab }) => tab).filter((tab) => !open.has(tab))));
  }

  #onSubmit(event: SubmitEvent): void {
    const form = event.target as HTMLFormElement;
    if (event.defaultPrevented || form.hasAttribute("hx-post")) return;
    if (form.matches('[data-action="sign-out"]')) {
      if (this.#mayForget()) this.#records.forget();
      else event.preventDefault();
    } else if (
      this.#replies.submit(form, this.#outbox) ||
      this.#background.submit(form, this.#outbox) ||
      this.#pageForms.submit(form, event.submitter)
    ) {
      event.preventDefault();
    }
  }

  #mayForget(): boolean {
    return (
      this.#records.list().length === 0 ||
      confirm(t("Text you wrote hasn’t been sent yet. Signing out deletes it from this browser."))
    );
  }

  #onSending(record: Unsent): void {
    if (record.message) this.#replies.showSending(record, record.message);
  }

  #onSent(record: Unsent, href: string): void {
    if (record.message) this.#store.renderer.markSent(record.id);
    if (this.#isShown(record)) return;
    const form = this.#drafts.findForm(record.id);
    const page = isPath(href) ? href : record.page;
    if (form) this.#goTo(page);
    else this.#announce(record, "success", excerptOf(record), page);
  }

  /** Open a page, unless the reader is on the way to another. */
  #goTo(page: string): void {
    const wait = this.#leftAt + LEAVE_TIMEOUT - this.#clock.now();
    if (wait <= 0) location.assign(page);
    else this.#clock.after(wait, () => location.assign(page));
  }

  #onWaiting(record: Unsent, reason: string): void {
    const form = this.#drafts.findForm(record.id);
    if (form) this.#background.showWaiting(form, reason);
    else if (record.message) this.#store.renderer.markFailed(record.id, reason);
  }

  #onRefused(record: Unsent, reason: string): void {
    if (record.message) this.#store.renderer.markFailed(record.id, reason);
    if (this.#isShown(record)) return;
    const form = this.#drafts.findForm(record.id);
    if (form) this.#background.submitAsPage(form);
    else this.#announce(record, "danger", reason, record.page);
  }

  #isShown({ id, message }: Unsent): boolean {
    return message !== null && this.#store.renderer.hasLine(id);
  }

  /** Say what became of a record that no form and no line of this page shows. */
  #announce(record: Unsent, tone: "success" | "danger", text: string, href: string): void {
    const title = tone === "success" ? t("Sent") : t("Not sent");
    // Each is a kind of its own, so that none is counted instead of named.
    const groupTitle = (): string => title;
    const toast = { title, text, href, tone, groupTitle };
    this.#store.toaster.add("", `unsent ${record.id}`, [], toast);
  }
}

function isPath(href: string): boolean {
  return href.startsWith("/") && !href.startsWith("//");
}

function excerptOf(record: Unsent): string {
  return (fieldOf(record, "subject") || fieldOf(record, "text")).slice(0, MAX_EXCERPT);
}
