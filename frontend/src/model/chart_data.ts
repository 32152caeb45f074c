// Stack the counts of a chart's table: one status on top of the other, day by day.

import { dateLocale } from "../i18n";

const SECONDS_PER_DAY = 86_400;

/** Days since 1970 (UTC), oldest first, and for each status its count on each day. */
export interface ChartTable {
  statuses: string[];
  days: number[];
  counts: number[][];
}

/** Stacked areas, the first at the bottom, and their upper edges. */
export interface ChartLayers {
  xs: number[]; // s since 1970
  areas: number[][];
  edges: (number | null)[][]; // null where a status has no tickets: it would hide the edge below
}

/** Stack the counts of each day. */
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

/** Return whether to draw an edge: the step of a day begins at the day before. */
function hasEdge(numbers: number[] | undefined, at: number): boolean {
  return Boolean(numbers?.[at] || numbers?.[at + 1]);
}

/** Format a day since 1970: "26 Nov". */
export function formatDay(day: number): string {
  const date = new Date(day * SECONDS_PER_DAY * 1000);
  return date.toLocaleDateString(dateLocale(), { day: "numeric", month: "short", timeZone: "UTC" });
}
