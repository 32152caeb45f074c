// What the server says about this page, on its root element.

import { splitWords } from "./model/channels";

export interface Page {
  streamUrl: string | null; // null: nobody is signed in
  sessionId: string | null; // its public id
  cursor: string | null;
  readerIds: ReadonlySet<string>; // names under which events know the reader
  channels: string[] | null;
  activeWorkspace: string | null; // the workspace of the organization the reader is in
  timeZone: string | null; // the time zone the reader has chosen; null: the browser's
  isDebug: boolean;
}

export function readPage({ dataset }: HTMLElement): Page {
  return {
    streamUrl: dataset["stream"] || null,
    sessionId: dataset["session"] || null,
    cursor: dataset["cursor"] || null,
    readerIds: new Set(splitWords(dataset["actors"])),
    channels: dataset["channels"] === undefined ? null : splitWords(dataset["channels"]),
    activeWorkspace: dataset["active"] || null,
    timeZone: dataset["zone"] || null,
    isDebug: dataset["debug"] === "1",
  };
}
