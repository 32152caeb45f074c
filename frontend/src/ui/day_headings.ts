// Maintain the day headings of `data-by-day` lists: each row is below the day of its time.

import { dateLocale, t } from "../i18n";
import { moveNode } from "./move_node";
import { cloneTemplate } from "./slots";
import { localDay } from "./times";

const MS_PER_DAY = 86_400_000;

/** Format a day: "Today", "Yesterday", "Wednesday 25 November".
 *
 * The same as `day_name` in `deskwire/web/rendering/time_zones.py`.
 */
export function formatDayHeading(day: string, today: string): string {
  if (day === today) return t("Today");
  const date = new Date(`${day}T00:00:00Z`);
  if (nextDay(date) === today) return t("Yesterday");
  const format = new Intl.DateTimeFormat(dateLocale(), {
    weekday: "long",
    day: "numeric",
    month: "long",
    timeZone: "UTC",
  });
  const named = format.formatToParts(date).map(({ type, value }) => [type, value] as const);
  const parts = { ...Object.fromEntries(named), day: date.getUTCDate(), year: day.slice(0, 4) };
  if (day.slice(0, 4) === today.slice(0, 4)) return t("%(weekday)s %(day)s %(month)s", parts);
  return t("%(weekday)s %(day)s %(month)s %(year)s", parts);
}

/** Insert missing headings, move the others to their rows, and remove those without rows. */
export function updateDayHeadings(now: number): void {
  for (const list of document.querySelectorAll<HTMLElement>("[data-by-day]"))
    updateHeadings(list, now);
}

function updateHeadings(list: HTMLElement, now: number): void {
  const today = localDay(new Date(now));
  const spare = [...list.querySelectorAll<HTMLElement>(":scope > [data-day]")];
  let last: string | null = null;
  for (const row of list.querySelectorAll<HTMLElement>(":scope > [data-row]")) {
    const day = readRowDay(row);
    if (day === null || day === last) continue;
    last = day;
    const index = spare.findIndex((heading) => heading.dataset["day"] === day);
    const heading = index < 0 ? cloneTemplate("day-heading") : (spare.splice(index, 1)[0] ?? null);
    if (heading) placeHeading(list, heading, row, day, formatDayHeading(day, today));
  }
  spare.forEach((heading) => heading.remove());
}

function placeHeading(
  list: Element,
  heading: HTMLElement,
  row: Element,
  day: string,
  name: string,
): void {
  heading.dataset["day"] = day;
  const text = heading.firstElementChild;
  if (text && text.textContent !== name) text.textContent = name;
  if (row.previousElementSibling !== heading) moveNode(list, heading, row);
}

function readRowDay(row: HTMLElement): string | null {
  const at = new Date(row.querySelector<HTMLTimeElement>("time[data-time]")?.dateTime ?? "");
  return Number.isNaN(at.getTime()) ? null : localDay(at);
}

function nextDay(date: Date): string {
  return new Date(date.getTime() + MS_PER_DAY).toISOString().slice(0, 10);
}
