// What a list does with a changed row, and where the row goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { activityIndex, decideListAction, type ListRules, timelineIndex } from "../src/model/lists";
import { reduceEvent, type Row } from "../src/model/reducers";
import { GUILD, ticketCreated } from "./sample_events";

const EVERYTHING: ListRules = { workspace: "*", statuses: [], isExact: true };

function ticketRow(changed: Partial<Row> = {}): Row {
  const change = reduceEvent("ticket.created", ticketCreated())[0];
  assert.ok(change?.kind === "upsert");
  return { ...change.row, ...changed };
}

test("a row is changed by a higher revision only", () => {
  assert.equal(decideListAction(EVERYTHING, ticketRow({ revision: 5 }), 4), "update");
  assert.equal(decideListAction(EVERYTHING, ticketRow({ revision: 5 }), 5), "keep");
  assert.equal(decideListAction(EVERYTHING, ticketRow({ revision: 5 }), 6), "keep");
});

test("a list accepts tickets of its own workspace only", () => {
  assert.equal(decideListAction({ ...EVERYTHING, workspace: GUILD }, ticketRow(), null), "insert");
  assert.equal(
    decideListAction({ ...EVERYTHING, workspace: "guild:2" }, ticketRow(), null),
    "keep",
  );
});

test("a row that no longer matches the filter is removed, one that matches is inserted", () => {
  const active: ListRules = { ...EVERYTHING, statuses: ["active", "review"] };

  assert.equal(decideListAction(active, ticketRow({ status: "active" }), null), "insert");
  assert.equal(decideListAction(active, ticketRow({ status: "new" }), null), "keep");
  assert.equal(decideListAction(active, ticketRow({ status: "done" }), 0), "remove");
});

test("a searched list updates its rows and asks the server about others", () => {
  const searched: ListRules = { ...EVERYTHING, statuses: ["active"], isExact: false };

  assert.equal(decideListAction(searched, ticketRow({ status: "active" }), null), "stale");
  assert.equal(decideListAction(searched, ticketRow({ status: "active" }), 0), "update-stale");
  assert.equal(decideListAction(searched, ticketRow({ status: "done" }), 0), "update-stale");
  assert.equal(decideListAction(searched, ticketRow({ status: "done" }), null), "keep");
});

test("a timeline is ordered by time, then id, in any order of arrival", () => {
  const positions = [
    { at: 1, id: "a" },
    { at: 2, id: "b" },
    { at: 2, id: "d" },
    { at: 5, id: "e" },
  ];

  assert.equal(timelineIndex(positions, { at: 9, id: "x" }), 4);
  assert.equal(timelineIndex(positions, { at: 2, id: "c" }), 2);
  assert.equal(timelineIndex(positions, { at: 0, id: "x" }), 0);
  assert.equal(timelineIndex([], { at: 0, id: "x" }), 0);
});

test("the most recently active ticket is on top", () => {
  assert.equal(activityIndex([9, 5, 1], 10), 0);
  assert.equal(activityIndex([9, 5, 1], 5), 1);
  assert.equal(activityIndex([9, 5, 1], 0), 3);
});
