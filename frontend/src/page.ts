// What the server says about this page, on its root element.

import { words } from "./model/channels";

export interface Page {
  stream: string | null; // null: nobody is signed in
  session: string | null; // its public id
  cursor: string | null;
  actors: ReadonlySet<string>; // names under which events know the reader
  channels: string[] | null;
  active: string | null; // the workspace of the organization the reader is in
  zone: string | null; // the time zone the reader has chosen; null: the browser's
  isDebug: boolean;
}

export function readPage({ dataset }: HTMLElement): Page {
  return {
    stream: dataset["stream"] || null,
    session: dataset["session"] || null,
    cursor: dataset["cursor"] || null,
    actors: new Set(words(dataset["actors"])),
    channels: dataset["channels"] === undefined ? null : words(dataset["channels"]),
    active: dataset["active"] || null,
    zone: dataset["zone"] || null,
    isDebug: dataset["debug"] === "1",
  };
}
