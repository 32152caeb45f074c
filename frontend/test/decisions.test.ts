// What the store decides before it touches the page: places, rows, rights, parts, words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fullJitter } from "../src/stream/backoff";
import { isAtOrBefore, streamUrl } from "../src/stream/cursor";
import { formatDayHeading } from "../src/ui/day_headings";
import { fragmentUrl, isAffected, matchesPattern, type FragmentSpec } from "../src/store/fragments";
import { parseFrame } from "../src/stream/frames";
import { EVENT_TYPES, type EventData } from "../src/generated/events";
import {
  channelsOfEvent,
  diffChannels,
  ChannelSet,
  isOfWorkspace,
  isVisible,
} from "../src/model/channels";
import { freshnessOf, indicatorText } from "../src/ui/indicator";
import { RecentEvents } from "../src/model/recent_events";
import { stackLayers, formatDay } from "../src/model/chart_data";
import { decideListAction, type ListRules, activityIndex, timelineIndex } from "../src/model/lists";
import { matchChildren } from "../src/ui/morph";
import { reduceEvent, REDUCERS, type Row } from "../src/model/reducers";
import {
  resolveAttributes,
  initials,
  isMissing,
  localPath,
  toText,
  valueAt,
} from "../src/ui/slots";
import { formatAgo, localDay, setTimeZone, formatDuration } from "../src/ui/times";
import INITIALS from "../../tests/initials.json";
import {
  ticketCreated,
  ticketCreatedEvent,
  GUILD,
  LINE,
  ticketMessageSent,
  ticketNow,
} from "./sample_events";

const EVERYTHING: ListRules = { workspace: "*", statuses: [], isExact: true };

function ticketRow(changed: Partial<Row> = {}): Row {
  const change = reduceEvent("ticket.created", ticketCreated())[0];
  assert.ok(change?.kind === "upsert");
  return { ...change.row, ...changed };
}

test("backoff is full jitter below a cap", () => {
  assert.equal(fullJitter(0, 0), 0);
  assert.equal(fullJitter(0, 1), 500);
  assert.equal(fullJitter(3, 0.5), 2_000);
  assert.equal(fullJitter(1_000, 1), 30_000);
});

test("cursors are compared within one epoch only", () => {
  assert.equal(isAtOrBefore("aaaaaaaa-9", "aaaaaaaa-10"), true);
  assert.equal(isAtOrBefore("aaaaaaaa-10", "aaaaaaaa-10"), true);
  assert.equal(isAtOrBefore("aaaaaaaa-11", "aaaaaaaa-10"), false);
  assert.equal(isAtOrBefore("bbbbbbbb-1", "aaaaaaaa-10"), null);
  assert.equal(isAtOrBefore("nonsense", "aaaaaaaa-10"), null);
});

test("a cursor that is not there is not sent", () => {
  assert.equal(streamUrl("/api/events", null), "/api/events");
  assert.equal(streamUrl("/api/events", ""), "/api/events");
});

test("the cursor joins a query that is there already", () => {
  assert.equal(streamUrl("/api/events?x=1", "aaaaaaaa-1"), "/api/events?x=1&after=aaaaaaaa-1");
});

test("frames are told apart by name and shape", () => {
  const event = JSON.stringify({ type: "ticket.created", data: {}, timestamp: 1 });
  assert.equal(parseFrame("message", "e-1", event)?.name, "event");
  assert.equal(parseFrame("message", "e-1", '{"type":"connected"}')?.name, "connected");
  assert.equal(parseFrame("tick", "e-1", '{"position":"e-1","time":1}')?.name, "tick");
  assert.equal(parseFrame("message", "e-1", "{"), null);
  assert.equal(parseFrame("message", "e-1", "null"), null);
  assert.equal(parseFrame("message", "e-1", '{"type":"x","data":null}'), null);
  assert.equal(parseFrame("message", "e-1", '{"type":"ticket.created"}'), null);
});

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
    { kind: "gone", ticket: "t1" },
  ]);
});

test("a deleted organization leaves nothing that is its own", () => {
  const data = {
    ...ticketCreated(),
    workspace: "org:1",
  } as unknown as EventData["organization.deleted"];

  assert.deepEqual(reduceEvent("organization.deleted", data), [
    { kind: "closed", workspace: "org:1" },
  ]);
  assert.ok(isOfWorkspace("staff org:1:4 ticket:t", "org:1"));
  assert.ok(isOfWorkspace("org:1 staff", "org:1"));
  assert.ok(!isOfWorkspace("staff org:12 org:11:1 ticket:org:1", "org:1"));
});

test("a row is changed by a higher revision only", () => {
  assert.equal(decideListAction(EVERYTHING, ticketRow({ revision: 5 }), 4), "update");
  assert.equal(decideListAction(EVERYTHING, ticketRow({ revision: 5 }), 5), "keep");
  assert.equal(decideListAction(EVERYTHING, ticketRow({ revision: 5 }), 6), "keep");
});

test("a list takes only its own workspace", () => {
  assert.equal(decideListAction({ ...EVERYTHING, workspace: GUILD }, ticketRow(), null), "insert");
  assert.equal(
    decideListAction({ ...EVERYTHING, workspace: "guild:2" }, ticketRow(), null),
    "keep",
  );
});

test("a row that no longer fits the filter leaves, one that fits comes in", () => {
  const active: ListRules = { ...EVERYTHING, statuses: ["active", "review"] };

  assert.equal(decideListAction(active, ticketRow({ status: "active" }), null), "insert");
  assert.equal(decideListAction(active, ticketRow({ status: "new" }), null), "keep");
  assert.equal(decideListAction(active, ticketRow({ status: "done" }), 0), "remove");
});

test("a searched list changes what it shows and asks the server for the rest", () => {
  const searched: ListRules = { ...EVERYTHING, statuses: ["active"], isExact: false };

  assert.equal(decideListAction(searched, ticketRow({ status: "active" }), null), "stale");
  assert.equal(decideListAction(searched, ticketRow({ status: "active" }), 0), "update-stale");
  assert.equal(decideListAction(searched, ticketRow({ status: "done" }), 0), "update-stale");
  assert.equal(decideListAction(searched, ticketRow({ status: "done" }), null), "keep");
});

test("a timeline is ordered by time, then id, whatever comes when", () => {
  const places = [
    { at: 1, id: "a" },
    { at: 2, id: "b" },
    { at: 2, id: "d" },
    { at: 5, id: "e" },
  ];

  assert.equal(timelineIndex(places, { at: 9, id: "x" }), 4);
  assert.equal(timelineIndex(places, { at: 2, id: "c" }), 2);
  assert.equal(timelineIndex(places, { at: 0, id: "x" }), 0);
  assert.equal(timelineIndex([], { at: 0, id: "x" }), 0);
});

test("the most recently active ticket is on top", () => {
  assert.equal(activityIndex([9, 5, 1], 10), 0);
  assert.equal(activityIndex([9, 5, 1], 5), 1);
  assert.equal(activityIndex([9, 5, 1], 0), 3);
});

test("an element stays while one of its channels is held", () => {
  const held = new Set(["ticket:t1", "user:p"]);

  assert.equal(isVisible("tickets:guild:1 ticket:t1", held), true);
  assert.equal(isVisible("tickets:guild:1", held), false);
  assert.equal(isVisible("", held), false);
});

test("what is lost and gained is what differs", () => {
  const changed = diffChannels(new Set(["a", "b"]), new Set(["b", "c"]));

  assert.deepEqual(changed, { lost: ["a"], gained: ["c"] });
});

test("what was lost while away is noticed when connected", () => {
  const held = new ChannelSet(["guild:1", "guild:2"]);

  const changed = held.replace(["guild:2", "guild:3"]);

  assert.deepEqual(changed, { lost: ["guild:1"], gained: ["guild:3"] });
});

test("a page that did not say what it held learns it without losing anything", () => {
  const held = new ChannelSet(null);

  assert.deepEqual(held.replace(["guild:1"]), { lost: [], gained: [] });
  assert.deepEqual(held.revoke(["guild:1", "guild:9"]), { lost: ["guild:1"], gained: [] });
});

test("a channel granted twice is gained once", () => {
  const held = new ChannelSet([]);

  assert.deepEqual(held.grant(["guild:1"]).gained, ["guild:1"]);
  assert.deepEqual(held.grant(["guild:1"]).gained, []);
});

test("patterns name a type, a family, or everything", () => {
  assert.equal(matchesPattern("ticket.*", "ticket.created"), true);
  assert.equal(matchesPattern("ticket.*", "tickets.created"), false);
  assert.equal(matchesPattern("ticket.created", "ticket.created"), true);
  assert.equal(matchesPattern("*", "member.left"), true);
});

test("a part of the page is touched by its own workspace and its own ticket", () => {
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

test("a fragment is asked of the page's own address", () => {
  const url = fragmentUrl("http://x.test/tickets?status=new&page=2#top", ["tickets", "counts"]);

  assert.equal(url, "http://x.test/tickets?status=new&page=2&fragment=tickets%2Ccounts");
});

test("an answer is mended with what came after it was asked for", () => {
  const journal = new RecentEvents<string>();
  journal.add("before", 10);
  journal.add("during", 20);

  assert.deepEqual(journal.since(20), ["during"]);
});

test("the journal forgets", () => {
  const journal = new RecentEvents<number>();
  for (let index = 0; index < 1_000; index += 1) journal.add(index, index);

  assert.equal(journal.since(0).length, 300);
});

test("what may no longer be seen leaves the journal", () => {
  const journal = new RecentEvents<string>();
  journal.add("lost", 10);
  journal.add("held", 20);

  journal.retain((entry) => entry === "held");

  assert.deepEqual(journal.since(0), ["held"]);
});

test("an event is shown by its channels, and to whom it is about by their own", () => {
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

test("children are matched by key, then by kind", () => {
  const key = (name: string): string | null => (name.startsWith("#") ? name : null);
  const kind = (name: string): string => name.slice(0, 1);

  assert.deepEqual(
    matchChildren(["#a", "p1", "#b", "p2"], ["#b", "p3", "#c", "p4", "p5"], key, kind),
    ["#b", "p1", null, "p2", null],
  );
});

test("paths reach into the state and no further", () => {
  const state = ticketNow({ assignee: { id: "p", name: "Ada" } });

  assert.equal(valueAt(state, "assignee.name"), "Ada");
  assert.equal(valueAt(state, "opener.name"), undefined);
  assert.equal(valueAt(state, "constructor.name"), undefined);
  assert.equal(valueAt("vip", "."), "vip");
});

test("values become text", () => {
  assert.equal(toText(0), "0");
  assert.equal(toText(undefined), "");
  assert.equal(toText(["a", "b"]), "a, b");
});

test("missing is nothing, no, zero and an empty list", () => {
  assert.deepEqual([undefined, "", 0, false, []].map(isMissing), [true, true, true, true, true]);
  assert.deepEqual(["a", 1, true, ["a"], {}].map(isMissing), [false, false, false, false, false]);
});

test("initials are those the server writes", () => {
  for (const [name, letters] of Object.entries(INITIALS)) assert.equal(initials(name), letters);
});

test("links lead within this site", () => {
  assert.equal(localPath("/guilds/1"), "/guilds/1");
  for (const away of ["//evil.test", "/\\evil.test", "javascript:alert(1)", "https://e.test", 5]) {
    assert.equal(localPath(away), null);
  }
});

test("attributes take words of their closed list only", () => {
  const state = { ...ticketNow({ status: "active", priority: "gold" }), line: LINE };

  assert.deepEqual(resolveAttributes("status priority kind=line.kind onclick=subject", state), [
    ["status", "active"],
    ["priority", null],
    ["kind", "reply"],
    ["onclick", null],
  ]);
});

test("times are told as a person would", () => {
  const at = new Date(2026, 10, 22, 10, 0);
  const after = (ms: number): string => formatAgo(at, at.getTime() + ms);

  assert.equal(after(-5_000), "just now");
  assert.equal(after(59_000), "just now");
  assert.equal(after(5 * 60_000), "5 min ago");
  assert.equal(after(3 * 3_600_000), "3 h ago");
  assert.equal(after(2 * 86_400_000), "2 d ago");
  assert.match(after(8 * 86_400_000), /22/);
  assert.deepEqual([3_400, 130_000, 7_200_000, -9].map(formatDuration), [
    "3 s",
    "2 min",
    "2 h",
    "0 s",
  ]);
});

test("a day is the one of the zone the reader has chosen", () => {
  const late = new Date("2026-11-22T22:30:00Z");

  setTimeZone("Asia/Tokyo");
  assert.equal(localDay(late), "2026-11-23");
  setTimeZone("America/Lima");
  assert.equal(localDay(late), "2026-11-22");
  setTimeZone("Nowhere/At_all");
  assert.match(localDay(late), /^2026-11-2[23]$/);
  setTimeZone(null);
});

test("days are named as a person would", () => {
  assert.equal(formatDayHeading("2026-11-27", "2026-11-27"), "Today");
  assert.equal(formatDayHeading("2026-02-28", "2026-03-01"), "Yesterday");
  assert.equal(formatDayHeading("2026-11-25", "2026-11-27"), "Wednesday 25 November");
  assert.equal(formatDayHeading("2025-12-30", "2026-01-01"), "Tuesday 30 December 2025");
});

test("a chart lays one status upon the other", () => {
  const table = {
    statuses: ["new", "active"],
    days: [0, 1, 2],
    counts: [
      [1, 2, 2],
      [0, 3, 0],
    ],
  };

  const { xs, areas, edges } = stackLayers(table);

  assert.deepEqual(xs, [0, 86_400, 172_800]);
  assert.deepEqual(areas, [
    [1, 2, 2],
    [1, 5, 2],
  ]);
  assert.deepEqual(edges, [
    [1, 2, 2],
    [1, 5, null],
  ]);
  assert.equal(formatDay(20_784), "27 Nov");
});

test("the indicator says how old the page is", () => {
  assert.equal(indicatorText("live", 1_000, 4_200), "Live · updated 3 s ago");
  assert.equal(indicatorText("reconnecting", 0, 125_000), "Reconnecting… data is 2 min old");
  assert.equal(freshnessOf("live", true), "stale");
  assert.equal(freshnessOf("reconnecting", true), "reconnecting");
  assert.equal(freshnessOf("parked", true), "parked");
  assert.match(
    indicatorText("parked", 0, 5_000),
    /^Paused: open in too many other places; look at/,
  );
  assert.match(
    indicatorText("restarting", 0, 5_000),
    /^The server restarts, reconnecting… data is 5 s/,
  );
});
