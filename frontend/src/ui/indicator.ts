// Show in the indicator whether the page is live, and how old its data is.

import { t } from "../i18n";
import type { StreamState } from "../stream/stream";
import { formatDuration } from "./times";

export type Freshness = StreamState | "stale";

/** Combine the state of the stream with `isStale`: a fragment could not be reloaded. */
export function freshnessOf(state: StreamState, isStale: boolean): Freshness {
  return state === "live" && isStale ? "stale" : state;
}

/** Return the indicator's text; the page was last known to be current at `freshAt` (ms). */
export function indicatorText(freshness: Freshness, freshAt: number, now: number): string {
  const age = formatDuration(now - freshAt);
  switch (freshness) {
    case "live":
      return t("Live · updated %(age)s ago", { age });
    case "connecting":
      return t("Connecting…");
    case "reconnecting":
      return t("Reconnecting… data is %(age)s old", { age });
    case "restarting":
      return t("Server restarting, reconnecting… data is %(age)s old", { age });
    case "parked":
      return t("Paused: too many tabs are open; return to this tab to resume · data is %(age)s old", {
        age,
      });
    case "offline":
      return t("Offline · data is %(age)s old", { age });
    case "stale":
      return t("Live, but part of this page couldn’t be reloaded");
    case "signed-out":
      return t("Signed out · data is %(age)s old", { age });
    default:
      return freshness satisfies never;
  }
}

/** Update `#live`, writing only what has changed. */
export function showIndicator(freshness: Freshness, freshAt: number, now: number): void {
  const root = document.getElementById("live");
  if (!root) return;
  const text = indicatorText(freshness, freshAt, now);
  const slot = root.querySelector<HTMLElement>('[data-field="text"]');
  const age = formatDuration(now - freshAt); // the only text on a narrow screen
  if (root.dataset["age"] !== age) root.dataset["age"] = age;
  if (root.dataset["state"] !== freshness) root.dataset["state"] = freshness;
  if (slot && slot.textContent !== text) slot.textContent = text;
  if (root.title !== text) root.title = text;
}
