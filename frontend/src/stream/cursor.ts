// Compare cursors: positions in the server's event log, `EPOCH-POSITION`.

interface Cursor {
  epoch: string;
  position: number;
}

/** Return whether `cursor` is at or before `limit`; null if they cannot be compared. */
export function isAtOrBefore(cursor: string, limit: string): boolean | null {
  const [a, b] = [parseCursor(cursor), parseCursor(limit)];
  return a && b && a.epoch === b.epoch ? a.position <= b.position : null;
}

/** Build the URL of a stream that resumes after `cursor`; without one it starts now. */
export function streamUrl(url: string, cursor: string | null): string {
  if (!cursor) return url;
  return `${url}${url.includes("?") ? "&" : "?"}after=${encodeURIComponent(cursor)}`;
}

function parseCursor(cursor: string): Cursor | null {
  const match = /^([0-9a-f]{8})-(\d{1,18})$/.exec(cursor);
  return match ? { epoch: match[1] ?? "", position: Number(match[2]) } : null;
}
