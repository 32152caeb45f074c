// Send what the reader has submitted, again and again until the server has said yes or no.
//
//   submitted ──→ sending ── yes ──→ deleted
//                   │  └──── no ───→ refused: the reader tries again or takes it back
//                   └─ no answer ──→ waiting ──→ sending, when the server may be back
//
// Sending twice does no harm: a message and a request have ids chosen here, and an edit sets a text.

import type { Cancel, Clock } from "../clock";
import { t } from "../i18n";
import type { PostForm, SubmitResult } from "./sending";
import type { Post, Unsent, UnsentRecords } from "./unsent";

const LEASE = 40_000; // ms; longer than an attempt without files, which ends by itself
const MIN_DELAY = 2_000; // ms before the second attempt
const MAX_DELAY = 60_000; // ms between two attempts
const MAX_ATTEMPTS = 1_000; // attempts, a working day at the longest delay; then the reader decides
const TEMPORARY = new Set([0, 401, 408, 425, 429, 502, 503, 504]); // 401: the session has ended

/** What becomes of records; called in the tab that sends them. */
export interface OutboxListener {
  onSending(record: Unsent): void;
  onSent(record: Unsent, href: string): void;
  onWaiting(record: Unsent, reason: string): void;
  onRefused(record: Unsent, reason: string): void;
  onSignedOut(): void;
  /** Upload what the record needs first; return a refusal, or null. */
  prepare(record: Unsent): Promise<SubmitResult | null>;
}

/** The submitted records of one person, sent by this tab. */
export class Outbox {
  readonly #records: UnsentRecords;
  readonly #clock: Clock;
  readonly #post: PostForm;
  readonly #listener: OutboxListener;
  readonly #sending = new Set<string>(); // record ids
  readonly #goneTabs = new Set<string>(); // tab ids
  #cancelRetry: Cancel = () => {};
  #failures = 0; // since the server answered last
  #isFlushing = false;

  constructor(records: UnsentRecords, clock: Clock, post: PostForm, listener: OutboxListener) {
    this.#records = records;
    this.#clock = clock;
    this.#post = post;
    this.#listener = listener;
  }

  /** Save a record as submitted and send it. */
  async submit(record: Unsent, url: string): Promise<void> {
    const submitted = { ...record, post: { ...NEW_POST, url } };
    this.#records.save(submitted);
    await this.#send(submitted);
  }

  /** Send a record again that was refused or waits; do nothing if it exists no more. */
  async retry(id: string): Promise<void> {
    const record = this.#records.read(id);
    if (!record?.post) return;
    await this.#send(this.#updatePost(record, { refusal: null, attempts: 0 }));
  }

  /** Send everything that waits, one after another; stop as soon as the server does not answer. */
  async flush(goneTabs: Iterable<string> = []): Promise<void> {
    for (const tab of goneTabs) this.#goneTabs.add(tab);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    this.#cancelRetry();
    try {
      for (const { id } of this.#records.list()) {
        const record = this.#records.read(id);
        if (!record?.post || record.post.refusal !== null) continue;
        if (!this.#records.isFree(record, this.#goneTabs)) continue;
        if (!(await this.#send(record))) return;
      }
    } finally {
      this.#isFlushing = false;
    }
  }

  /** Send one record; return false if the server did not deal with it. */
  async #send(record: Unsent): Promise<boolean> {
    const { post } = record;
    if (!post || this.#sending.has(record.id)) return true;
    if (post.sender !== this.#records.tab && post.leaseUntil > this.#clock.now()) {
      this.#retryLater(post.leaseUntil - this.#clock.now());
      return true;
    }
    this.#sending.add(record.id);
    try {
      return await this.#attempt(this.#lease(record));
    } finally {
      this.#sending.delete(record.id);
    }
  }

  async #attempt(record: Unsent): Promise<boolean> {
    this.#listener.onSending(record);
    const refusal = await this.#listener.prepare(record);
    const current = this.#records.read(record.id); // with the ids of its files
    if (!current?.post) return true; // taken back or forgotten meanwhile
    const result = refusal ?? (await this.#post(current.post.url, current.fields));
    if (isSaved(result)) {
      this.#failures = 0;
      this.#records.remove(record.id);
      this.#listener.onSent(current, result.href);
      return true;
    }
    const latest = this.#records.read(record.id);
    if (!latest?.post) return true;
    const attempts = latest.post.attempts + 1;
    if (isTemporary(result) && attempts < MAX_ATTEMPTS) {
      this.#onNoAnswer(this.#updatePost(latest, { attempts, leaseUntil: 0 }), result);
      return false;
    }
    const reason = result.detail || t("The server refused it. Reload the page and try again.");
    this.#listener.onRefused(
      this.#updatePost(latest, { attempts, leaseUntil: 0, refusal: reason }),
      reason,
    );
    return true;
  }

  #onNoAnswer(record: Unsent, { status, detail }: SubmitResult): void {
    this.#failures += 1;
    this.#listener.onWaiting(record, describeWaiting(status, detail));
    if (status === 401) this.#listener.onSignedOut(); // the page after signing in sends it
    else this.#retryLater(delayAfter(this.#failures, this.#clock.random()));
  }

  #retryLater(delay: number): void {
    this.#cancelRetry();
    this.#cancelRetry = this.#clock.after(delay, () => void this.flush());
  }

  #lease(record: Unsent): Unsent {
    const leaseUntil = this.#clock.now() + LEASE;
    return this.#updatePost(record, { sender: this.#records.tab, leaseUntil });
  }

  #updatePost(record: Unsent, values: Partial<Post>): Unsent {
    const updated = { ...record, post: { ...NEW_POST, ...record.post, ...values } };
    this.#records.update(updated);
    return updated;
  }
}

const NEW_POST: Post = { url: "", attempts: 0, leaseUntil: 0, sender: "", refusal: null };

/** Return whether the server itself said yes: a proxy's page with status 200 does not count. */
function isSaved({ status, id, href }: SubmitResult): boolean {
  return status >= 200 && status < 300 && (id !== "" || href !== "");
}

/** Return whether the server was not reached, or could not deal with it now. */
function isTemporary({ status, detail }: SubmitResult): boolean {
  // Where the server names nothing, a proxy has answered: while it restarts, some say 404 or 200.
  const isOfProxy = detail === "" && (status === 404 || (status >= 200 && status < 300));
  return TEMPORARY.has(status) || isOfProxy;
}

function describeWaiting(status: number, detail: string): string {
  if (status === 401) return t("You are signed out. Sign in, and your text will be sent.");
  if (status === 0 || detail === "")
    return t("The server can’t be reached. Your text will be sent as soon as it’s back.");
  return t("%(reason)s Your text will be sent again automatically.", { reason: detail });
}

/** Double the delay with every failure, and spread the clients of a server that comes back. */
function delayAfter(failures: number, random: number): number {
  const limit = Math.min(MAX_DELAY, MIN_DELAY * 2 ** Math.min(failures, 10));
  return limit / 2 + (random * limit) / 2;
}
