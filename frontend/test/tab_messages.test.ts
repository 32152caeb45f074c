// Leader election and session checks, as pure decisions.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Attention,
  checkLeader,
  compareLeaderTerms,
  compareSessions,
  findActiveTab,
  type LeaderHealth,
} from "../src/stream/tab_messages";

function leaderHealth(changed: Partial<LeaderHealth>): LeaderHealth {
  const defaults: LeaderHealth = {
    now: 60_000,
    checkedAt: 58_000,
    leaderHeardAt: 59_000,
    helloSentAt: null,
    answerTimeout: 4_000,
  };
  return { ...defaults, ...changed };
}

test("a leader heard from recently is trusted", () => {
  assert.equal(checkLeader(leaderHealth({ leaderHeardAt: 50_001 })), "wait");
});

test("a leader not heard from for 10 s is pinged", () => {
  assert.equal(checkLeader(leaderHealth({ leaderHeardAt: 50_000 })), "ping");
});

test("a pinged leader has a limited time to answer", () => {
  assert.equal(checkLeader(leaderHealth({ leaderHeardAt: 0, helloSentAt: 56_001 })), "wait");
  assert.equal(checkLeader(leaderHealth({ leaderHeardAt: 0, helloSentAt: 56_000 })), "take-over");
});

test("a tab that was itself suspended pings again, whatever it sent before", () => {
  assert.equal(
    checkLeader(leaderHealth({ leaderHeardAt: 0, helloSentAt: 1, checkedAt: 54_000 })),
    "ping",
  );
});

test("the later term is newer, and simultaneous terms are distinguished", () => {
  const term = { term: 5, leader: "b" };

  assert.ok(compareLeaderTerms({ term: 6, leader: "a" }, term) > 0);
  assert.ok(compareLeaderTerms({ term: 4, leader: "c" }, term) < 0);
  assert.ok(compareLeaderTerms({ term: 5, leader: "c" }, term) > 0);
  assert.ok(compareLeaderTerms({ term: 5, leader: "a" }, term) < 0);
  assert.equal(compareLeaderTerms(term, { ...term }), 0);
});

test("the active tab is the visible one that was focused last", () => {
  const tabs = new Map<string, Attention>([
    ["a", { isVisible: true, focusedAt: 5 }],
    ["b", { isVisible: true, focusedAt: 7 }],
    ["c", { isVisible: false, focusedAt: 9 }],
  ]);

  assert.equal(findActiveTab(tabs), "b");
  assert.equal(findActiveTab(new Map([["d", { isVisible: true, focusedAt: 0 }]])), "d");
  assert.equal(findActiveTab(new Map([["c", { isVisible: false, focusedAt: 9 }]])), null);
});

test("of two sessions the newer one is that of the browser", () => {
  assert.equal(compareSessions("2", "2"), "stay");
  assert.equal(compareSessions("2", "3"), "leave");
  assert.equal(compareSessions("2", "1"), "announce");
});

test("a signed-out page may merely be old, so the server is probed", () => {
  assert.equal(compareSessions("2", null), "probe");
});

test("a signed-out page has nothing to remove", () => {
  assert.equal(compareSessions(null, "2"), "stay");
  assert.equal(compareSessions(null, null), "stay");
});
