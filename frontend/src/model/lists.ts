// What a list does with a row it is told of: decided here, done in `screen.ts`.

import type { Row } from "./reducers";

/** A list's own rules, as its attributes state them. */
export interface ListRules {
  workspace: string; // "*": every one; "org:*": every organization
  statuses: readonly string[]; // empty: every one
  isExact: boolean; // false: what is shown cannot be known here (search, another page or sort)
}

/** `stale`: the list's fragment must be asked of the server. */
export type ListAction = "keep" | "update" | "insert" | "remove" | "stale" | "update-stale";

/** What to do with `row` in a list that shows it at revision `present` (null: does not show it). */
export function decideListAction(
  rules: ListRules,
  row: Row,
  shownRevision: number | null,
): ListAction {
  if (!matchesWorkspace(rules, row)) return "keep";
  const fits = matchesStatus(rules, row);
  if (shownRevision === null) return fits ? (rules.isExact ? "insert" : "stale") : "keep";
  if (shownRevision >= row.revision) return "keep";
  if (!fits) return rules.isExact ? "remove" : "update-stale";
  return rules.isExact ? "update" : "update-stale";
}

/** A place in an order by time, then id. */
export interface TimelinePosition {
  at: number;
  id: string;
}

/** The index at which `next` belongs in `places`, oldest first. */
export function timelineIndex(
  positions: readonly TimelinePosition[],
  next: TimelinePosition,
): number {
  let index = positions.length;
  while (index > 0 && isAfter(positions[index - 1], next)) index -= 1;
  return index;
}

/** The index at which something active at `at` belongs in `times`, newest first. */
export function activityIndex(times: readonly number[], at: number): number {
  const index = times.findIndex((time) => time <= at);
  return index < 0 ? times.length : index;
}

function matchesWorkspace(rules: ListRules, row: Row): boolean {
  if (rules.workspace === "*" || row.workspace === null) return true;
  if (rules.workspace.endsWith(":*")) return row.workspace.startsWith(rules.workspace.slice(0, -1));
  return rules.workspace === row.workspace;
}

function matchesStatus(rules: ListRules, row: Row): boolean {
  return rules.statuses.length === 0 || row.status === null || rules.statuses.includes(row.status);
}

function isAfter(position: TimelinePosition | undefined, next: TimelinePosition): boolean {
  if (position === undefined) return false;
  return position.at > next.at || (position.at === next.at && position.id > next.id);
}
