// Keep in this browser what a person has written and the server has not yet confirmed.
//
// A record is a draft (in a form), or on its way (`post`); it is deleted once the server has said
// yes. Records carry the id of their person, so that no one sees another person's text, and of the
// tab that shows them, so that two tabs never write into the same one.

const STORAGE_PREFIX = "deskwire:unsent:"; // followed by PERSON:ID
const OLD_DRAFTS_PREFIX = "deskwire:draft:"; // until November 2026; they named no person
const MAX_AGE = 30 * 86_400_000; // ms; by then no one waits for it any more

/** Where a record is on its way to. */
export interface Post {
  url: string;
  attempts: number; // that failed
  leaseUntil: number; // ms since 1970; until then the record's `sender` is sending it
  sender: string; // tab id
  refusal: string | null; // why the server refused it; null: it is still to be sent
}

/** A message that the reader has sent, as its line shows it. */
export interface UnsentMessage {
  ticket: string;
  author: string; // display name
  picture?: string | undefined; // path of the avatar
  at: number; // ms since 1970
  fileNames: string[]; // files that are not uploaded yet; only the tab that sent them has them
}

export interface Unsent {
  id: string; // a message's own id, else only the record's
  draft: string; // the form's `data-draft`
  page: string; // path of the page with the form
  tab: string; // the tab that shows it, or did last
  isOpen: boolean; // that tab has not left its page
  savedAt: number; // ms since 1970
  fields: [name: string, value: string][];
  files: { id: string; name: string; size: string }[]; // uploaded, for the list in the form
  message: UnsentMessage | null;
  post: Post | null; // null: the reader is still writing
}

/** The records of one person in this browser, as one tab sees them. */
export class UnsentRecords {
  readonly #storage: Storage;
  readonly #person: string;
  readonly #now: () => number;
  readonly #overflow = new Map<string, Unsent>(); // what the storage has no room for
  #isForgotten = false;

  constructor(
    storage: Storage,
    person: string,
    readonly tab: string,
    now: () => number,
  ) {
    this.#storage = storage;
    this.#person = person;
    this.#now = now;
  }

  /** Return the records of this person in all tabs, oldest first. */
  list(): Unsent[] {
    const ids = new Set(this.#overflow.keys());
    const prefix = this.#key("");
    for (const key of listKeys(this.#storage)) {
      if (key.startsWith(prefix)) ids.add(key.slice(prefix.length));
    }
    const found = [...ids].flatMap((id) => this.read(id) ?? []);
    return found.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  read(id: string): Unsent | null {
    return this.#overflow.get(id) ?? parseRecord(this.#storage.getItem(this.#key(id)));
  }

  /** Save a record as this tab's. After `forget`, nothing is saved any more. */
  save(record: Unsent): void {
    if (this.#isForgotten) return;
    const saved = { ...record, tab: this.tab, isOpen: true, savedAt: this.#now() };
    this.#write(saved);
  }

  /** Replace a record that still exists; another tab may have sent or forgotten it meanwhile. */
  update(record: Unsent): void {
    if (this.read(record.id)) this.save(record);
  }

  remove(id: string): void {
    this.#overflow.delete(id);
    this.#storage.removeItem(this.#key(id));
  }

  /** Return whether this tab may send or show a record: its own, or that of a tab that is gone. */
  isFree(record: Unsent, goneTabs: ReadonlySet<string>): boolean {
    return record.tab === this.tab || !record.isOpen || goneTabs.has(record.tab);
  }

  /** Leave this tab's records to the next tab that opens their form. */
  release(): void {
    for (const record of this.list()) {
      if (record.tab === this.tab && record.isOpen) this.#write({ ...record, isOpen: false });
    }
  }

  /** Take back what was released, if no other tab has taken it. */
  reclaim(): void {
    for (const record of this.list()) {
      if (record.tab === this.tab && !record.isOpen) this.#write({ ...record, isOpen: true });
    }
  }

  /** Delete everything that this person has not sent. */
  forget(): void {
    this.#isForgotten = true;
    for (const { id } of this.list()) this.remove(id);
  }

  #write(record: Unsent): void {
    try {
      this.#storage.setItem(this.#key(record.id), JSON.stringify(record));
      this.#overflow.delete(record.id);
    } catch {
      this.#overflow.set(record.id, record); // full or blocked: kept while the page is open
    }
  }

  #key(id: string): string {
    return `${STORAGE_PREFIX}${this.#person}:${id}`;
  }
}

/** Delete what is too old to be sent, of every person, and drafts that name no person. */
export function deleteExpired(storage: Storage, now: number): void {
  for (const key of listKeys(storage)) {
    const isOld = key.startsWith(OLD_DRAFTS_PREFIX);
    const record = key.startsWith(STORAGE_PREFIX) ? parseRecord(storage.getItem(key)) : null;
    if (isOld || (record && now - record.savedAt > MAX_AGE)) storage.removeItem(key);
  }
}

function listKeys(storage: Storage): string[] {
  return Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? "");
}

function parseRecord(text: string | null): Unsent | null {
  try {
    const record = JSON.parse(text ?? "null") as Unsent | null;
    return record && Array.isArray(record.fields) ? record : null;
  } catch {
    return null;
  }
}

/** Return the last value of a field; empty if the record has none. */
export function fieldOf(record: Unsent, name: string): string {
  return record.fields.findLast(([field]) => field === name)?.[1] ?? "";
}
