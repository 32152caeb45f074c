// Reading values for slots, and refusing unsafe ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import INITIALS from "../../tests/initials.json";
import {
  initials,
  isMissing,
  localPath,
  resolveAttributes,
  toText,
  valueAt,
} from "../src/ui/slots";
import { LINE, ticketNow } from "./sample_events";

test("paths reach only fields of the state", () => {
  const state = ticketNow({ assignee: { id: "p", name: "Ada" } });

  assert.equal(valueAt(state, "assignee.name"), "Ada");
  assert.equal(valueAt(state, "opener.name"), undefined);
  assert.equal(valueAt(state, "constructor.name"), undefined);
  assert.equal(valueAt("vip", "."), "vip");
});

test("values are converted to text", () => {
  assert.equal(toText(0), "0");
  assert.equal(toText(undefined), "");
  assert.equal(toText(["a", "b"]), "a, b");
});

test("undefined, empty, false, zero and an empty list count as missing", () => {
  assert.deepEqual([undefined, "", 0, false, []].map(isMissing), [true, true, true, true, true]);
  assert.deepEqual(["a", 1, true, ["a"], {}].map(isMissing), [false, false, false, false, false]);
});

test("initials equal those the server writes", () => {
  for (const [name, letters] of Object.entries(INITIALS)) assert.equal(initials(name), letters);
});

test("links stay within this site", () => {
  assert.equal(localPath("/guilds/1"), "/guilds/1");
  for (const away of ["//evil.test", "/\\evil.test", "javascript:alert(1)", "https://e.test", 5]) {
    assert.equal(localPath(away), null);
  }
});

test("attributes accept values of their closed list only", () => {
  const state = { ...ticketNow({ status: "active", priority: "gold" }), line: LINE };

  assert.deepEqual(resolveAttributes("status priority kind=line.kind onclick=subject", state), [
    ["status", "active"],
    ["priority", null],
    ["kind", "reply"],
    ["onclick", null],
  ]);
});
