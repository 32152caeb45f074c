// What a chart shows of a table, decided without a page: one status upon the other, day by day.

import { dateLocale } from "../i18n";

const SECONDS_PER_DAY = 86_400; // s

/** Days since 1970 (UTC), oldest first, and for each status its number on each of them. */
export interface ChartTable {
  statuses: string[];
  days: number[];
  counts: number[][];
}

/** What is drawn: areas that lie upon one another, the first at the bottom, and their upper edges. */
export interface ChartLayers {
  xs: number[]; // s
  areas: number[][];
  edges: (number | null)[][]; // none where there is nothing of a status: it would hide the one below
}

export function stackLayers({ days, counts }: ChartTable): ChartLayers {
  const below = days.map(() => 0);
  const areas = counts.map((numbers) =>
    numbers.map((number, at) => (below[at] = (below[at] ?? 0) + number)),
  );
  const edges = areas.map((area, nth) =>
    area.map((top, at) => (hasEdge(counts[nth], at) ? top : null)),
  );
  return { xs: days.map((day) => day * SECONDS_PER_DAY), areas, edges };
}

/** A day's step begins at the day before. */
function hasEdge(numbers: number[] | undefined, at: number): boolean {
  return Boolean(numbers?.[at] || numbers?.[at + 1]);
}

/** "26 Nov". */
export function formatDay(day: number): string {
  const date = new Date(day * SECONDS_PER_DAY * 1000);
  return date.toLocaleDateString(dateLocale(), { day: "numeric", month: "short", timeZone: "UTC" });
}
