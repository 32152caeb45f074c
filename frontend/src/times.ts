// Times in the reader's own words: how long ago, and their own time zone.

const MINUTE = 60_000; // ms
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const SHORT = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const LONG = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** "just now", "5 min ago", "3 h ago", "2 d ago", then the date. */
export function ago(at: Date, now: number): string {
  const age = now - at.getTime();
  if (age < MINUTE) return "just now";
  if (age < HOUR) return `${Math.floor(age / MINUTE)} min ago`;
  if (age < DAY) return `${Math.floor(age / HOUR)} h ago`;
  if (age < 7 * DAY) return `${Math.floor(age / DAY)} d ago`;
  return (at.getFullYear() === new Date(now).getFullYear() ? SHORT : LONG).format(at);
}

/** "3 s", "2 min", "4 h", "2 d": a span for the indicator. */
export function span(ms: number): string {
  if (ms < MINUTE) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min`;
  return ms < DAY ? `${Math.floor(ms / HOUR)} h` : `${Math.floor(ms / DAY)} d`;
}

/** The text a `<time>` asks for: `data-ago`, `data-local`, or none of ours (null). */
export function textOf(element: HTMLElement, at: Date, now: number): string | null {
  if (element.dataset["ago"] !== undefined) return ago(at, now);
  return element.dataset["local"] !== undefined ? FULL.format(at) : null;
}

/** Brings every `<time>` below `root` up to date, without touching what already is. */
export function freshenTimes(root: ParentNode, now: number): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = textOf(element, at, now);
    if (text !== null && element.textContent !== text) element.textContent = text;
    const title = FULL.format(at);
    if (element.title !== title) element.title = title;
  }
}
