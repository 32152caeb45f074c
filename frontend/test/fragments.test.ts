// Which fragments an event makes stale, and the URL that reloads them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type FragmentSpec, fragmentUrl, isAffected, matchesPattern } from "../src/store/fragments";
import { GUILD } from "./sample_events";

test("patterns name a type, a family, or everything", () => {
  assert.equal(matchesPattern("ticket.*", "ticket.created"), true);
  assert.equal(matchesPattern("ticket.*", "tickets.created"), false);
  assert.equal(matchesPattern("ticket.created", "ticket.created"), true);
  assert.equal(matchesPattern("*", "member.left"), true);
});

test("a fragment is made stale by events of its own workspace and ticket", () => {
  const spot: FragmentSpec = {
    id: "x",
    patterns: ["ticket.*"],
    workspace: GUILD,
    ticket: "t1",
    isPrompt: false,
  };
  const happening = { type: "ticket.closed", workspace: GUILD, ticket: "t1" };

  assert.equal(isAffected(spot, happening), true);
  assert.equal(isAffected(spot, { ...happening, workspace: "guild:2" }), false);
  assert.equal(isAffected(spot, { ...happening, ticket: "t2" }), false);
  assert.equal(isAffected({ ...spot, ticket: null }, { ...happening, ticket: "t2" }), true);
  assert.equal(
    isAffected({ ...spot, workspace: null }, { ...happening, workspace: "org:1" }),
    true,
  );
  assert.equal(isAffected(spot, { ...happening, type: "team.role_created" }), false);
});

test("a fragment is requested from the page's own URL", () => {
  const url = fragmentUrl("http://x.test/tickets?status=new&page=2#top", ["tickets", "counts"]);

  assert.equal(url, "http://x.test/tickets?status=new&page=2&fragment=tickets%2Ccounts");
});
