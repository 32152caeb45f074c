// The toast of each event.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_TYPES } from "../src/generated/events";
import { createToast, TOASTS, withOrganization } from "../src/model/toasts";
import { ticketCreated, ticketMessageSent, ticketNow } from "./sample_events";

const MOVED = { ...ticketCreated(), oldStatus: "OPEN", newStatus: "CLAIMED", actorId: "9" };
const CATS = { id: "1", name: "Cats", initials: "C", botInstalled: true, href: "/guilds/1" };
const SETUP = { actor: "bot", guildId: "1", revision: 1, now: CATS };
const JOINED = { ...SETUP, guildName: "Cats", ownerId: "2", memberCount: 3 };
const NO_READER = new Set<string>();
const TEAM = { actor: "bot", guildId: "1", revision: 1, roleId: "3", roleName: "Tickets Support" };

test("every event has a toast or an explicit none", () => {
  assert.deepEqual(Object.keys(TOASTS).sort(), [...EVENT_TYPES].sort());
});

test("a new ticket names its number and subject", () => {
  const toast = createToast("ticket.created", ticketCreated(), NO_READER);

  assert.equal(toast?.title, "New ticket #7 created");
  assert.equal(toast?.text, "Subject: The printer is on fire");
  assert.equal(toast?.href, "/guilds/1/tickets/7");
});

test("a toast names its organization, unless the page is of that organization", () => {
  const organization = { id: "1", name: "Harbor" };
  const data = ticketCreated({ workspace: "org:1", now: { ...ticketNow(), place: organization } });
  const toast = createToast("ticket.created", data, NO_READER);

  assert.ok(toast);
  assert.equal(
    withOrganization(toast, data, "org:2").text,
    "Harbor · Subject: The printer is on fire",
  );
  assert.equal(withOrganization(toast, data, "org:1").text, "Subject: The printer is on fire");
  assert.equal(
    withOrganization(toast, ticketCreated(), null).text,
    "Subject: The printer is on fire",
  );
});

test("an organization's ticket is called a request", () => {
  const toast = createToast("ticket.created", ticketCreated({ workspace: "org:1" }), NO_READER);

  assert.equal(toast?.title, "New request #7 created");
  assert.equal(toast?.groupTitle(5), "5 new requests");
});

test("a message toast names the side and the author", () => {
  const toast = createToast("ticket.message_sent", ticketMessageSent(), NO_READER);

  assert.equal(toast?.title, "New message in ticket #7");
  assert.equal(toast?.text, "The printer is on fire · From: customer (bo)");
  assert.equal(toast?.groupTitle(12), "12 new messages");
});

test("a person who is mentioned sees it in the title, others do not", () => {
  const now = ticketNow({ reference: "2026-R-000007" });
  const line = { ...ticketMessageSent().line!, author: { id: "p2", name: "Bo" } };
  const data = ticketMessageSent({ workspace: "org:1", now, line, mentions: ["p1"] });
  const noted = { ...data, line: { ...line, kind: "note" as const } };
  const titles = [data, noted].flatMap((each) =>
    ["p1", "p3"].map((id) => createToast("ticket.message_sent", each, new Set([id]))?.title),
  );

  assert.deepEqual(titles, [
    "Bo mentioned you in request 2026-R-000007",
    "New message in request 2026-R-000007",
    "Bo mentioned you in a note in request 2026-R-000007",
    "New note in request 2026-R-000007",
  ]);
  assert.equal(
    createToast("ticket.message_sent", data, new Set(["p1"]))?.text,
    "The printer is on fire",
  );
});

test("a status is named by its label", () => {
  const data = { ...MOVED, now: ticketNow({ status: "waiting", statusLabel: "Action Required" }) };

  const toast = createToast("ticket.status_changed", data, NO_READER);

  assert.equal(toast?.title, "Ticket #7 changed to Action Required");
  assert.equal(toast?.text, "The printer is on fire");
});

test("claimed, closed, updated and deleted tickets have toasts", () => {
  const now = ticketNow({ assignee: { id: "p", name: "Ada" } });
  const claimed = createToast("ticket.claimed", { ...MOVED, now }, NO_READER);
  const closed = createToast("ticket.closed", { ...MOVED, reason: "Solved" }, NO_READER);
  const changes = { subject: { old: "a", new: "b" }, tags: { added: ["x"], removed: [] } };
  const updated = createToast(
    "ticket.updated",
    { ...ticketCreated(), changes, actorId: "9" },
    NO_READER,
  );
  const deleted = createToast("ticket.deleted", { ...ticketCreated(), deletedBy: "9" }, NO_READER);

  assert.deepEqual(
    [claimed?.title, claimed?.text],
    ["Ticket #7 claimed", "The printer is on fire · By Ada"],
  );
  assert.deepEqual(
    [closed?.title, closed?.text],
    ["Ticket #7 closed", "The printer is on fire · Solved"],
  );
  assert.equal(updated?.title, "Ticket #7 updated");
  assert.equal(updated?.text, "The printer is on fire · Changed: subject, labels");
  assert.deepEqual([deleted?.title, deleted?.href], ["Ticket #7 deleted", undefined]);
});

test("events of guilds, roles and members have toasts", () => {
  const member = { ...TEAM, userId: "8", username: "bo" };
  const left = { userId: "8", username: "bo", hadOpenTickets: false, wasTeamMember: true };

  assert.equal(createToast("guild.joined", JOINED, NO_READER)?.title, "Bot installed in Cats!");
  assert.equal(
    createToast("guild.setup_complete", SETUP, NO_READER)?.title,
    "Bot setup completed!",
  );
  assert.equal(
    createToast("team.role_created", { ...TEAM, action: "created" }, NO_READER)?.title,
    "Team role Tickets Support created",
  );
  assert.equal(
    createToast("team.member_assigned", { ...member, action: "assigned" }, NO_READER)?.title,
    "bo assigned to Tickets Support",
  );
  assert.equal(
    createToast("member.left", { ...TEAM, ...left }, NO_READER)?.title,
    "bo left the server",
  );
});

test("my own actions make no toast", () => {
  const data = ticketCreated({ actor: "p1" });

  assert.equal(createToast("ticket.created", data, new Set(["p1", "discord:1"])), null);
  assert.notEqual(createToast("ticket.created", data, new Set(["p2", "discord:2"])), null);
});

test("the owner sees a toast when another member adds the bot", () => {
  const toast = createToast(
    "guild.joined",
    { ...JOINED, actor: "discord:1" },
    new Set(["discord:1"]),
  );

  assert.equal(toast?.title, "Bot installed in Cats!");
});

test("an account that was linked or unlinked makes a toast, a new name does not", () => {
  const changed = { actor: "shell", person: "p1", name: "Ada", revision: 2 };
  const own = new Set(["p1"]);

  const linked = createToast("person.changed", { ...changed, linked: "discord" }, own);
  const unlinked = createToast("person.changed", { ...changed, unlinked: "discord" }, own);

  assert.equal(linked?.title, "Discord account linked");
  assert.equal(unlinked?.title, "Discord account unlinked");
  assert.equal(createToast("person.changed", changed, own), null);
  const theirs = createToast("person.changed", { ...changed, linked: "discord" }, new Set(["p2"]));
  assert.equal(theirs, null, "administrators receive the event about every person");
});

test("an event of a type this page does not know makes no toast", () => {
  assert.equal(createToast("toString" as "ticket.created", ticketCreated(), NO_READER), null);
});
