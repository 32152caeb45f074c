// A cursor: the place in the server's log that this page has reached.

interface Cursor {
  epoch: string;
  position: number;
}

/** Whether `cursor` lies at or before `other`; null if they cannot be compared. */
export function isAtOrBefore(cursor: string, limit: string): boolean | null {
  const [a, b] = [parseCursor(cursor), parseCursor(limit)];
  return a && b && a.epoch === b.epoch ? a.position <= b.position : null;
}

/** The URL of the stream from `cursor` on; without one it starts now. */
export function streamUrl(url: string, cursor: string | null): string {
  if (!cursor) return url;
  return `${url}${url.includes("?") ? "&" : "?"}after=${encodeURIComponent(cursor)}`;
}

function parseCursor(cursor: string): Cursor | null {
  const found = /^([0-9a-f]{8})-(\d{1,18})$/.exec(cursor);
  return found ? { epoch: found[1] ?? "", position: Number(found[2]) } : null;
}
