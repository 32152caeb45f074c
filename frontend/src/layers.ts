// What a chart shows of a table, decided without a page: one status upon the other, day by day.

const DAY = 86_400; // s

/** Days since 1970 (UTC), oldest first, and for each status its number on each of them. */
export interface Table {
  statuses: string[];
  days: number[];
  counts: number[][];
}

/** The upper edge of each status where all lie upon one another, the first at the bottom. */
export function layersOf({ days, counts }: Table): { xs: number[]; layers: number[][] } {
  const below = days.map(() => 0);
  const layers = counts.map((numbers) =>
    numbers.map((number, at) => (below[at] = (below[at] ?? 0) + number)),
  );
  return { xs: days.map((day) => day * DAY), layers };
}

/** "26 Nov". */
export function textOfDay(day: number): string {
  const date = new Date(day * DAY * 1000);
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
}
