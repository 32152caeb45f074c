// Define the messages between the tabs of one session, and the decisions that need only them.
//
//   leader → all      frame    a frame of the stream
//                     state    the state of the stream
//                     welcome  the frames that one tab has missed
//                     offer    toasts for one tab to show
//   any tab → all     hello    a tab's id, cursor and attention
//                     told     ids of events whose toasts the sender showed
//                     bye      the sender is closing
//
// Messages of a leader carry its term (when it became leader, and its tab id) and the number of
// frames it has broadcast: followers drop messages of an older term, and a skipped number is a gap.

import type { EventFrame, Frame } from "./frames";
import type { StreamState } from "./stream";

/** When a tab became leader, and which tab it is. */
export interface LeaderTerm {
  term: number; // ms since 1970, but always more than the previous term
  leader: string; // tab id
}

/** Whether the reader is looking at a tab, as far as the browser knows. */
export interface Attention {
  isVisible: boolean;
  focusedAt: number; // ms since 1970; 0: never focused
}

/** A message of the leader, before its term and frame count are added. */
export type LeaderMessage =
  | { kind: "frame"; frame: Frame }
  | { kind: "state"; state: StreamState }
  | { kind: "welcome"; to: string; state: StreamState; frames: Frame[] }
  | { kind: "offer"; to: string; frames: EventFrame[] };

/** The message by which a tab introduces itself and asks for what it has missed. */
export interface HelloMessage {
  kind: "hello";
  tab: string; // tab id
  term: number; // the newest term the tab knows of
  cursor: string | null;
  isWelcome: boolean; // it is in sync: it has every frame of this term
  isWoken: boolean; // it has just become visible or focused
  attention: Attention;
}

export type TabMessage =
  | (LeaderMessage & LeaderTerm & { count: number })
  | HelloMessage
  | { kind: "told"; ids: string[] }
  | { kind: "bye"; tab: string };

/** Compare two terms: above 0 if `a` is newer, below 0 if older, 0 if they are the same. */
export function compareLeaderTerms(a: LeaderTerm, b: LeaderTerm): number {
  if (a.term !== b.term) return a.term - b.term;
  return a.leader === b.leader ? 0 : a.leader > b.leader ? 1 : -1;
}

export const CHECK_INTERVAL = 2_000; // ms between two health checks of a follower
const SUSPENDED_AFTER = 3 * CHECK_INTERVAL; // ms between checks; this tab itself was suspended
const LEADER_SILENCE_TIMEOUT = 10_000; // ms without a message; then send hello

/** What a follower knows about its leader. Times in ms since 1970. */
export interface LeaderHealth {
  now: number;
  checkedAt: number; // the previous check
  leaderHeardAt: number; // the last message of the leader
  helloSentAt: number | null; // the first hello since then; null: none
  answerTimeout: number; // ms
}

/** Decide whether a follower waits, sends hello to its leader, or takes the lead from it. */
export function checkLeader(health: LeaderHealth): "wait" | "ping" | "take-over" {
  const { now, checkedAt, leaderHeardAt, helloSentAt, answerTimeout } = health;
  if (now - checkedAt >= SUSPENDED_AFTER) return "ping"; // the answer may be queued but unread
  if (helloSentAt !== null) return now - helloSentAt >= answerTimeout ? "take-over" : "wait";
  return now - leaderHeardAt >= LEADER_SILENCE_TIMEOUT ? "ping" : "wait";
}

/** Find the tab that shows toasts: of the visible tabs, the one focused last. */
export function findActiveTab(tabs: ReadonlyMap<string, Attention>): string | null {
  let activeTab: string | null = null;
  let latest = -1;
  for (const [tab, { isVisible, focusedAt }] of tabs) {
    if (isVisible && focusedAt > latest) [activeTab, latest] = [tab, focusedAt];
  }
  return activeTab;
}

/** Decide what a tab does when a page of another session announces itself in this browser.
 *
 * A session is null on a page rendered for a signed-out reader; that page may be older than the
 * sign-in, so the server has to be asked (`probe`). Session ids sort by their start, so of two ids
 * the newer one is current.
 */
export function compareSessions(
  ownSession: string | null,
  otherSession: string | null,
): "stay" | "announce" | "probe" | "leave" {
  if (ownSession === null || ownSession === otherSession) return "stay";
  if (otherSession === null) return "probe";
  return otherSession > ownSession ? "leave" : "announce";
}
