// Which channels a viewer holds, and what they make visible.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ChannelSet,
  channelsOfEvent,
  diffChannels,
  digestChannels,
  isOwnStream,
  isVisible,
} from "../src/model/channels";
import { GUILD, ticketCreatedEvent } from "./sample_events";

test("an element stays while one of its channels is held", () => {
  const held = new Set(["ticket:t1", "user:p"]);

  assert.equal(isVisible("tickets:guild:1 ticket:t1", held), true);
  assert.equal(isVisible("tickets:guild:1", held), false);
  assert.equal(isVisible("", held), false);
});

test("lost and gained channels are the difference of two sets", () => {
  const changed = diffChannels(new Set(["a", "b"]), new Set(["b", "c"]));

  assert.deepEqual(changed, { lost: ["a"], gained: ["c"] });
});

test("channels lost while disconnected are noticed on reconnect", () => {
  const held = new ChannelSet(["guild:1", "guild:2"]);

  const changed = held.connect({ channels: ["guild:2", "guild:3"] });

  assert.deepEqual(changed, { lost: ["guild:1"], gained: ["guild:3"] });
});

test("a page without a channel list learns it from the stream and loses nothing", () => {
  const held = new ChannelSet(null);

  assert.deepEqual(held.connect({ channels: ["guild:1"] }), { lost: [], gained: [] });
  assert.deepEqual(held.revoke(["guild:1", "guild:9"]), { lost: ["guild:1"], gained: [] });
});

test("a channel granted twice is gained once", () => {
  const held = new ChannelSet([]);

  assert.deepEqual(held.grant(["guild:1"]).gained, ["guild:1"]);
  assert.deepEqual(held.grant(["guild:1"]).gained, []);
});

const OWN = ["user:p"];
const TICKETS = Array.from({ length: 70 }, (_, number) => `ticket:${number}`);
const NOTHING = { lost: [], gained: [] };

test("a digest equals the one the server computes", () => {
  assert.equal(digestChannels(["user:p", "guild:1"]), "2-35fd3113"); // as in test_events_frames.py
});

test("the digest of the channels a page was rendered for changes nothing", () => {
  const held = new ChannelSet([...TICKETS, ...OWN]);
  const digest = digestChannels([...OWN, ...TICKETS]);

  assert.deepEqual(held.connect({ channels: OWN, digest }), NOTHING);
  assert.equal(held.held?.has("ticket:69"), true);
  assert.deepEqual(held.revoke(["ticket:69"]), { lost: ["ticket:69"], gained: [] });
  assert.equal(held.held?.has("ticket:69"), false);
});

test("with another digest every channel counts as held until revoked", () => {
  const held = new ChannelSet(TICKETS);

  assert.equal(held.connect({ channels: OWN, digest: "71-00000000" }), null);
  assert.equal(held.held?.has("ticket:new"), true);
  assert.deepEqual(held.revoke(["ticket:new"]), { lost: ["ticket:new"], gained: [] });
  assert.equal(held.held?.has("ticket:new"), false);
  assert.deepEqual(held.grant(["ticket:new"]), { lost: [], gained: ["ticket:new"] });
  assert.equal(held.held?.has("ticket:new"), true);
});

test("an equal digest changes nothing, and a grant invalidates it", () => {
  const held = new ChannelSet(TICKETS);
  const told = { channels: OWN, digest: "71-00000000" };
  held.connect(told);

  assert.deepEqual(held.connect(told), NOTHING);
  held.grant(["ticket:new"]);
  assert.equal(held.connect(told), null);
});

test("a full list after an unknown one is accepted and counts as a change", () => {
  const held = new ChannelSet(TICKETS);
  held.connect({ channels: OWN, digest: "71-00000000" });

  assert.equal(held.connect({ channels: ["guild:1"] }), null);
  assert.equal(held.held?.has("guild:1"), true);
  assert.equal(held.held?.has("ticket:1"), false);
});

test("another tab is told the digest while the channels are unknown", () => {
  const held = new ChannelSet(TICKETS);
  assert.deepEqual(held.told(OWN), { channels: TICKETS });

  held.connect({ channels: OWN, digest: "71-00000000" });
  assert.deepEqual(held.told(OWN), { channels: OWN, digest: "71-00000000" });

  held.revoke(["ticket:1"]);
  assert.deepEqual(held.told(OWN), { channels: OWN, digest: "" });
});

test("an event is visible through its channels, and to its subject through their own", () => {
  const own = new Set(["p", "discord:5"]);
  const left = { actor: "bot", guildId: "1", userId: "5", username: "Dee" };
  const about = { ...left, workspace: GUILD, hadOpenTickets: false, wasTeamMember: true };
  const event = { type: "member.left", data: { ...about, revision: 1 }, timestamp: 1 } as const;

  const person = { actor: "shell", person: "p", name: "Dee", revision: 2 };
  const mine = { type: "person.changed", data: person, timestamp: 1 } as const;

  assert.deepEqual(channelsOfEvent(mine, own), ["user:p"]);
  assert.deepEqual(channelsOfEvent(ticketCreatedEvent(), own), ["tickets:guild:1", "ticket:t1"]);
  assert.deepEqual(channelsOfEvent(event, own), ["user:p", "guild:1"]);
  assert.deepEqual(channelsOfEvent(event, new Set(["q", "discord:6"])), ["guild:1"]);
});

test("a stream that holds another person's channel is recognized as foreign", () => {
  const own = new Set(["ada", "discord:1"]);

  assert.equal(isOwnStream(["guild:1", "user:ada"], own), true);
  assert.equal(isOwnStream(["guild:1"], own), true);
  assert.equal(isOwnStream(["guild:1", "user:mo"], own), false);
});
