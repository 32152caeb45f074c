// Give each tab an id that survives reloads, and find out which other tabs are open.

const TAB_KEY = "deskwire:tab";
const CHANNEL = "deskwire:tabs";
const ANSWER_TIMEOUT = 500; // ms; an open tab answers in a few, a busy one in some dozens

type RollCall = { kind: "who" } | { kind: "here"; tab: string };

/** Take this tab's id, or a new one.
 *
 * While a page is open its id is not in sessionStorage: a duplicated tab would copy it.
 */
export function takeTabId(storage: Storage, createId: () => string): string {
  const tab = storage.getItem(TAB_KEY) ?? createId();
  storage.removeItem(TAB_KEY);
  return tab;
}

/** Keep this tab's id for the next page it opens. */
export function keepTabId(storage: Storage, tab: string): void {
  storage.setItem(TAB_KEY, tab);
}

/** Answer the roll calls of other tabs; return a function that calls one itself. */
export function watchTabs(tab: string): () => Promise<Set<string>> {
  if (!("BroadcastChannel" in window)) return () => Promise.resolve(new Set([tab]));
  const channel = new BroadcastChannel(CHANNEL);
  const present = new Set([tab]);
  channel.onmessage = ({ data }: MessageEvent<RollCall>) => {
    if (data.kind === "here") present.add(data.tab);
    else channel.postMessage({ kind: "here", tab } satisfies RollCall);
  };
  return () => {
    present.clear();
    present.add(tab);
    channel.postMessage({ kind: "who" } satisfies RollCall);
    return new Promise((resolve) => setTimeout(() => resolve(new Set(present)), ANSWER_TIMEOUT));
  };
}

/** Return one of the browser's storages; where it is blocked, one that lasts as long as the page. */
export function openStorage(kind: "localStorage" | "sessionStorage"): Storage {
  try {
    return window[kind];
  } catch {
    return new MemoryStorage();
  }
}

class MemoryStorage implements Storage {
  [name: string]: unknown;
  readonly #items = new Map<string, string>();

  get length(): number {
    return this.#items.size;
  }

  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }

  clear(): void {
    this.#items.clear();
  }
}
