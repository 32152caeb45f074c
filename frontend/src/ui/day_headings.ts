// Headings of days in a list marked `data-by-day`: each row stands below the day of its own time.

import { moveBefore } from "./move_node";
import { cloneOf } from "./slots";
import { dateLanguage, t } from "../i18n";
import { dayOf } from "./times";

const DAY = 86_400_000; // ms

/** "Today", "Yesterday", "Wednesday 25 November"; `day_name` in web/rendering/time_zones.py says the same. */
export function dayName(day: string, today: string): string {
  if (day === today) return t("Today");
  const date = new Date(`${day}T00:00:00Z`);
  if (dayAfter(date) === today) return t("Yesterday");
  const words = new Intl.DateTimeFormat(dateLanguage(), {
    weekday: "long",
    day: "numeric",
    month: "long",
    timeZone: "UTC",
  });
  const found = words.formatToParts(date).map(({ type, value }) => [type, value] as const);
  const parts = { ...Object.fromEntries(found), day: date.getUTCDate(), year: day.slice(0, 4) };
  if (day.slice(0, 4) === today.slice(0, 4)) return t("%(weekday)s %(day)s %(month)s", parts);
  return t("%(weekday)s %(day)s %(month)s %(year)s", parts);
}

/** Puts every heading where it belongs, makes those that lack, and takes away what heads nothing. */
export function groupByDay(now: number): void {
  for (const list of document.querySelectorAll<HTMLElement>("[data-by-day]")) group(list, now);
}

function group(list: HTMLElement, now: number): void {
  const today = dayOf(new Date(now));
  const spare = [...list.querySelectorAll<HTMLElement>(":scope > [data-day]")];
  let last: string | null = null;
  for (const row of list.querySelectorAll<HTMLElement>(":scope > [data-row]")) {
    const day = dayOfRow(row);
    if (day === null || day === last) continue;
    last = day;
    const at = spare.findIndex((heading) => heading.dataset["day"] === day);
    const heading = at < 0 ? cloneOf("day-heading") : (spare.splice(at, 1)[0] ?? null);
    if (heading) head(list, heading, row, day, dayName(day, today));
  }
  spare.forEach((heading) => heading.remove());
}

function head(list: Element, heading: HTMLElement, row: Element, day: string, name: string): void {
  heading.dataset["day"] = day;
  const text = heading.firstElementChild;
  if (text && text.textContent !== name) text.textContent = name;
  if (row.previousElementSibling !== heading) moveBefore(list, heading, row);
}

function dayOfRow(row: HTMLElement): string | null {
  const at = new Date(row.querySelector<HTMLTimeElement>("time[data-time]")?.dateTime ?? "");
  return Number.isNaN(at.getTime()) ? null : dayOf(at);
}

function dayAfter(date: Date): string {
  return new Date(date.getTime() + DAY).toISOString().slice(0, 10);
}
