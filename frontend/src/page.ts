// Read the page's settings and its reader from the data attributes of the root element.

import { splitWords } from "./model/channels";

export interface Page {
  streamUrl: string | null; // null: signed out
  sessionId: string | null; // the public id of the session, no secret
  cursor: string | null; // the log position read before the rows of the page
  personId: string | null; // the reader's public id; null: signed out
  readerIds: ReadonlySet<string>; // ids of the reader in events: person, `discord:ID`
  channels: string[] | null; // channels the reader held at render time; null: not stated
  activeWorkspace: string | null; // the active organization, `org:ID`
  timeZone: string | null; // IANA name, as chosen in the settings; null: the browser's
  isDebug: boolean;
}

/** Read the page's attributes; a missing or empty one is null. */
export function readPage({ dataset }: HTMLElement): Page {
  const readerIds = splitWords(dataset["actors"]);
  return {
    streamUrl: dataset["stream"] || null,
    sessionId: dataset["session"] || null,
    cursor: dataset["cursor"] || null,
    personId: readerIds.find((id) => !id.includes(":")) ?? null, // others: `discord:ID`
    readerIds: new Set(readerIds),
    channels: dataset["channels"] === undefined ? null : splitWords(dataset["channels"]),
    activeWorkspace: dataset["active"] || null,
    timeZone: dataset["zone"] || null,
    isDebug: dataset["debug"] === "1",
  };
}
