// Format times for the reader: relative to now, or in the time zone they have chosen.

import { language, t } from "../i18n";

const MINUTE = 60_000; // ms
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

interface Formats {
  full: Intl.DateTimeFormat;
  short: Intl.DateTimeFormat;
  long: Intl.DateTimeFormat;
  parts: Intl.DateTimeFormat;
}

let formats = createFormats(undefined);

/** Set the time zone (an IANA name); null: the browser's. */
export function setTimeZone(name: string | null): void {
  try {
    formats = createFormats(name ?? undefined);
  } catch {
    formats = createFormats(undefined); // the server knows more zones than this browser
  }
}

function createFormats(timeZone: string | undefined): Formats {
  const zone = timeZone === undefined ? {} : { timeZone };
  const locale = language === "en" ? undefined : language; // en-US and en-GB differ: the browser's
  const parts = { year: "numeric", month: "2-digit", day: "2-digit" } as const;
  return {
    full: new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short", ...zone }),
    short: new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", ...zone }),
    long: new Intl.DateTimeFormat(locale, { dateStyle: "medium", ...zone }),
    parts: new Intl.DateTimeFormat("en-US", { ...parts, calendar: "gregory", ...zone }),
  };
}

/** Return the date of a moment in the reader's time zone: `2026-11-27`. */
export function localDay(at: Date): string {
  const parts = new Map(formats.parts.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`;
}

/** Format a past time: "just now", "5 min ago", "3 h ago", "2 d ago", then the date. */
export function formatAgo(at: Date, now: number): string {
  const age = now - at.getTime();
  if (age < MINUTE) return t("just now");
  if (age < HOUR) return t("%(num)s min ago", { num: Math.floor(age / MINUTE) });
  if (age < DAY) return t("%(num)s h ago", { num: Math.floor(age / HOUR) });
  if (age < 7 * DAY) return t("%(num)s d ago", { num: Math.floor(age / DAY) });
  const isThisYear = localDay(at).slice(0, 4) === localDay(new Date(now)).slice(0, 4);
  return (isThisYear ? formats.short : formats.long).format(at);
}

/** Format a duration in ms for the indicator: "3 s", "2 min", "4 h", "2 d". */
export function formatDuration(ms: number): string {
  if (ms < MINUTE) return t("%(num)s s", { num: Math.max(0, Math.floor(ms / 1000)) });
  if (ms < HOUR) return t("%(num)s min", { num: Math.floor(ms / MINUTE) });
  if (ms < DAY) return t("%(num)s h", { num: Math.floor(ms / HOUR) });
  return t("%(num)s d", { num: Math.floor(ms / DAY) });
}

/** Format a `<time>` that has `data-ago`; null for others, whose text the server wrote. */
export function formatTime(element: HTMLElement, at: Date, now: number): string | null {
  return element.dataset["ago"] !== undefined ? formatAgo(at, now) : null;
}

/** Update every `<time>` below `root`, writing only what has changed. */
export function updateTimes(root: ParentNode, now: number): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[datetime]")) {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = formatTime(element, at, now);
    if (text !== null && element.textContent !== text) element.textContent = text;
    const title = formats.full.format(at);
    if (element.title !== title) element.title = title;
  }
}
