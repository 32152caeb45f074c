// What each event changes on screen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_TYPES, type EventData } from "../src/generated/events";
import { isOfWorkspace } from "../src/model/channels";
import { reduceEvent, REDUCERS, type Row } from "../src/model/reducers";
import { ticketCreated, ticketMessageSent } from "./sample_events";

function ticketRow(changed: Partial<Row> = {}): Row {
  const change = reduceEvent("ticket.created", ticketCreated())[0];
  assert.ok(change?.kind === "upsert");
  return { ...change.row, ...changed };
}

test("every event has a reducer or an explicit none", () => {
  assert.deepEqual(Object.keys(REDUCERS).sort(), [...EVENT_TYPES].sort());
});

test("an event of a type this page does not know changes nothing", () => {
  for (const type of ["ticket.teleported", "constructor", "__proto__"]) {
    assert.deepEqual(reduceEvent(type as "ticket.created", ticketCreated()), []);
  }
});

test("a ticket's event changes its row, its page and its timeline", () => {
  const kinds = reduceEvent("ticket.message_sent", ticketMessageSent()).map(({ kind }) => kind);

  assert.deepEqual(kinds, ["upsert", "header", "line"]);
});

test("a ticket's row carries the channels that show it", () => {
  assert.deepEqual(ticketRow().channels, ["tickets:guild:1", "ticket:t1"]);
});

test("a deleted ticket leaves rows and page", () => {
  const data = { ...ticketCreated(), deletedBy: "5" };

  assert.deepEqual(reduceEvent("ticket.deleted", data), [
    { kind: "remove", key: "ticket:t1", revision: 1 },
    { kind: "ticket-deleted", ticket: "t1" },
  ]);
});

test("a deleted organization removes everything that belongs to it", () => {
  const data = {
    ...ticketCreated(),
    workspace: "org:1",
  } as unknown as EventData["organization.deleted"];

  assert.deepEqual(reduceEvent("organization.deleted", data), [
    { kind: "organization-deleted", workspace: "org:1" },
  ]);
  assert.ok(isOfWorkspace("staff org:1:4 ticket:t", "org:1"));
  assert.ok(isOfWorkspace("org:1 staff", "org:1"));
  assert.ok(!isOfWorkspace("staff org:12 org:11:1 ticket:org:1", "org:1"));
});
