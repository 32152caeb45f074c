// Decide what a list does with a changed row, and where it goes; `ui/dom.ts` applies it.

import type { Row } from "./reducers";

/** Which rows a list shows, as its attributes state it. */
export interface ListRules {
  workspace: string; // `guild:1`; `*`: all; `org:*`: all organizations
  statuses: readonly string[]; // empty: all
  isExact: boolean; // false: the server decides which rows it has (search, other page or sort)
}

/** `stale` and `update-stale`: reload the list's fragment. */
export type ListAction = "keep" | "update" | "insert" | "remove" | "stale" | "update-stale";

/** Decide what a list does with `row`, which it shows at `shownRevision` (null: does not show). */
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

/** The sort key of a timeline entry: time, then id. */
export interface TimelinePosition {
  at: number; // ms since 1970
  id: string;
}

/** Find the index at which to insert `next` into `positions`, oldest first. */
export function timelineIndex(
  positions: readonly TimelinePosition[],
  next: TimelinePosition,
): number {
  let index = positions.length;
  while (index > 0 && isAfter(positions[index - 1], next)) index -= 1;
  return index;
}

/** Find the index at which to insert a row active at `at` into `times`, newest first. */
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
