// What the tabs of one session say to each other, and what can be told from it alone.
//
//   leader → all       frame   what the stream said        state   how the stream is
//                      welcome what one tab has missed     offer   toasts for one tab to show
//   any tab → all      hello   who I am, what I have, who looks at me     told   toasts I showed
//                      bye     I am closing
//
// A leader's words carry its reign (when it began to lead, and who it is) and the number of frames
// it has posted: a word of an earlier reign is refused, and a number left out is a gap.

import type { EventFrame, Frame } from "./frames";
import type { StreamState } from "./stream";

export interface LeaderTerm {
  term: number; // ms since 1970, or one more than the last
  leader: string;
}

/** Who looks at a tab, as far as a browser can tell. */
export interface Attention {
  isVisible: boolean;
  focusedAt: number; // ms since 1970; 0: never
}

export type LeaderMessage =
  | { kind: "frame"; frame: Frame }
  | { kind: "state"; state: StreamState }
  | { kind: "welcome"; to: string; state: StreamState; frames: Frame[] }
  | { kind: "offer"; to: string; frames: EventFrame[] };

export interface HelloMessage {
  kind: "hello";
  tab: string;
  term: number; // the newest reign it knows of
  cursor: string | null;
  isWelcome: boolean; // it follows without a gap
  isWoken: boolean; // somebody has just begun to look
  attention: Attention;
}

export type TabMessage =
  | (LeaderMessage & LeaderTerm & { count: number })
  | HelloMessage
  | { kind: "told"; ids: string[] }
  | { kind: "bye"; tab: string };

/** Above 0 if `a` began after `b`, below if before, 0 if they are the same. */
export function compareLeaderTerms(a: LeaderTerm, b: LeaderTerm): number {
  if (a.term !== b.term) return a.term - b.term;
  return a.leader === b.leader ? 0 : a.leader > b.leader ? 1 : -1;
}

export const CHECK_INTERVAL = 2_000; // ms between two looks of a follower
const SUSPENDED_AFTER = 3 * CHECK_INTERVAL; // ms between two looks; then it is this tab that was asleep
const LEADER_SILENCE_TIMEOUT = 10_000; // ms without a word; then the leader is asked for one

export interface LeaderHealth {
  now: number;
  checkedAt: number; // the look before this one
  leaderHeardAt: number; // the leader's last word
  helloSentAt: number | null; // the first question since then
  answerTimeout: number; // ms for an answer
}

/** Whether a follower may rely on its leader, should ask it for a word, or lead in its place. */
export function checkLeader(health: LeaderHealth): "wait" | "ping" | "take-over" {
  const {
    now,
    checkedAt: lookedAt,
    leaderHeardAt: heardAt,
    helloSentAt: askedAt,
    answerTimeout: patience,
  } = health;
  if (now - lookedAt >= SUSPENDED_AFTER) return "ping"; // the answer may only be waiting to be heard
  if (askedAt !== null) return now - askedAt >= patience ? "take-over" : "wait";
  return now - heardAt >= LEADER_SILENCE_TIMEOUT ? "ping" : "wait";
}

/** The tab a toast belongs in: of those that can be seen, the one focused last. */
export function findActiveTab(tabs: ReadonlyMap<string, Attention>): string | null {
  let found: string | null = null;
  let at = -1;
  for (const [tab, { isVisible, focusedAt }] of tabs) {
    if (isVisible && focusedAt > at) [found, at] = [tab, focusedAt];
  }
  return found;
}

/** What a tab of the session `own` does on learning that `other` is the browser's session now.
 *
 * Null is nobody, as far as one page knows: it may have been made before the sign-in. Session ids
 * sort by when they began, so the newer one is the truth.
 */
export function compareSessions(
  ownSession: string | null,
  otherSession: string | null,
): "stay" | "announce" | "probe" | "leave" {
  if (ownSession === null || ownSession === otherSession) return "stay";
  if (otherSession === null) return "probe";
  return otherSession > ownSession ? "leave" : "announce";
}
