"""Check that a page's state plus the events that follow equals the page loaded afterwards.

The store's rules (frontend/README.md) in a few lines of Python: a row is replaced by a higher
revision, a line is added once, a deleted ticket goes, gained or lost channels reload.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select

from deskwire.direct_edits.change_log import outside_changes
from deskwire.direct_edits.processor import record_edits
from deskwire.events.access import Viewer
from deskwire.events.log import log
from deskwire.integrations.discord import translate
from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.kit.clock import MINUTE
from deskwire.kit.db import Database
from deskwire.server.services import ACCESS
from deskwire.tickets import messages
from deskwire.tickets.queries import list_tickets
from deskwire.tickets.queries.list_tickets import TicketFilter
from deskwire.webhooks.source import Delivery
from deskwire.workspaces.guilds import guilds
from tests.fixtures.bot_deliveries import run_and_roll_back
from tests.fixtures.cast import (
    ADA,
    ATTIC_GUILD,
    BO,
    CY,
    DEE,
    HARBOUR_GUILD,
    MO,
    NOON,
    ROLE_IDS,
    UNA,
    Persona,
    create_desk,
)

VIEWERS = (ADA, BO, CY, DEE, MO, UNA)


@dataclass
class PageState:
    """All that the pages of one person show: rows with their revisions, lines by ticket."""

    channels: frozenset[str]
    guilds: dict[str, tuple[int, Any]] = field(default_factory=dict)
    tickets: dict[str, tuple[int, Any]] = field(default_factory=dict)
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)


class PageStory:
    """What the bot tells within one transaction, and what everyone's pages make of it."""

    def __init__(self, tx: Connection, ids: dict[Persona, str]) -> None:
        self.tx = tx
        self.ids = ids
        self.told = 10_000
        self.screens = {actor: self.look(actor) for actor in VIEWERS}

    def check(self, type_: str, at: int, data: dict[str, Any]) -> None:
        entries = self.tell(type_, at, data)
        assert_no_direct_edit(self.tx)
        self._compare(entries, f"{type_} {data}")

    def check_by_hand(self, *statements: str) -> None:
        """Someone runs statements with another program, and they are noticed."""
        head = self._head()
        for statement in statements:
            self.tx.exec_driver_sql(statement)
        while record_edits(self.tx):
            pass
        entries = list(self.tx.execute(select(log).where(log.c.position > head)))
        self._compare(entries, str(statements))

    def _compare(self, entries: list[Any], what: str) -> None:
        for actor in VIEWERS:
            shown, now = self.screens[actor], self.look(actor)
            self.screens[actor] = now
            if shown.channels != now.channels:
                self._was_announced(actor, shown, entries)
                continue  # the store reloads what it shows
            for entry in entries:
                follow(shown, entry, now)
            catch_up(shown, now)
            assert shown == now, f"{actor.name}'s page is wrong after {what}"

    def tell(self, type_: str, at: int, data: dict[str, Any]) -> list[Any]:
        self.told += 1
        head = self._head()
        body = {"event": {"type": type_, "data": data}, "timestamp": "2026-11-22T12:00:00Z"}
        translate.apply_delivery(self.tx, Delivery(self.told, at, body))
        return list(self.tx.execute(select(log).where(log.c.position > head)))

    def look(self, persona: Persona) -> PageState:
        return look(self.tx, self.ids[persona])

    def _was_announced(self, persona: Persona, shown: PageState, entries: list[Any]) -> None:
        """Who gains or loses a channel is touched by the entry, or their stream would not ask."""
        touched = {channel for entry in entries for channel in json.loads(entry.touches)}
        own = {f"user:{self.ids[persona]}", *shown.channels}
        assert touched & own, f"{persona.name}'s access changed and no entry touches them"

    def _head(self) -> int:
        found = select(log.c.position).order_by(log.c.position.desc()).limit(1)
        return int(self.tx.execute(found).scalar() or 0)


def look(tx: Connection, person: str) -> PageState:
    """What pages that are opened now show someone."""
    viewer = ACCESS.read_viewer(tx, person)
    screen = PageState(viewer.channels)
    for guild in guilds.list_visible_guilds(tx, viewer):
        screen.guilds[guild.id] = (guild.revision, dump_state(guild.now))
    for workspace in workspaces_of(viewer):
        for ticket in list_tickets.read_ticket_results(
            tx, viewer, workspace, TicketFilter()
        ).tickets:
            screen.tickets[ticket.id] = (ticket.revision, dump_state(ticket.now))
            lines = messages.read_timeline(tx, ticket.id)
            screen.lines[ticket.id] = {line.id: dump_state(line) for line in lines}
    return screen


def follow(screen: PageState, entry: Any, fresh: PageState) -> None:
    """What the store does with one event it hears."""
    if screen.channels.isdisjoint(json.loads(entry.channels)):
        return
    data = json.loads(entry.data)
    if entry.type == "guild.deleted":
        screen.guilds.pop(data["guildId"], None)
    elif entry.type.startswith("guild."):
        upsert(screen.guilds, data["guildId"], data)
    elif entry.type == "ticket.deleted":
        screen.tickets.pop(data["ticket"], None)
        screen.lines.pop(data["ticket"], None)
    elif entry.type.startswith("ticket."):
        is_new = data["ticket"] not in screen.tickets
        upsert(screen.tickets, data["ticket"], data)
        if is_new:  # no one can have its page open; who opens it now reads all of it
            screen.lines[data["ticket"]] = fresh.lines.get(data["ticket"], {})
        elif entry.type == "ticket.message_deleted":
            screen.lines[data["ticket"]].pop(data["message"], None)
        elif entry.type == "ticket.message_edited":
            screen.lines[data["ticket"]][data["line"]["id"]] = data["line"]
        elif data.get("line"):
            screen.lines[data["ticket"]].setdefault(data["line"]["id"], data["line"])


def catch_up(shown: PageState, now: PageState) -> None:
    """Take over revisions raised by edits that change nothing: these send no event."""
    for rows, fresh in ((shown.guilds, now.guilds), (shown.tickets, now.tickets)):
        for key, (revision, state) in rows.items():
            if key in fresh and fresh[key][1] == state and fresh[key][0] > revision:
                rows[key] = fresh[key]


def assert_no_direct_edit(tx: Connection) -> None:
    """Check that no write of Deskwire itself was recorded as a direct edit."""
    notes = tx.execute(select(outside_changes)).all()
    assert notes == [], "an action left `revision` alone, or inserted a row at 0"


def upsert(rows: dict[str, tuple[int, Any]], key: str, data: dict[str, Any]) -> None:
    if key not in rows or data["revision"] > rows[key][0]:
        rows[key] = (data["revision"], data["now"])


def workspaces_of(viewer: Viewer) -> set[str]:
    return {grant.workspace for grant in viewer.grants if grant.workspace is not None}


def dump_state(state: Any) -> Any:
    return state.model_dump(by_alias=True, mode="json", exclude_unset=True)


@pytest.fixture(scope="module")
def desk() -> Iterator[tuple[Database, dict[Persona, str]]]:
    """Create a desk on which each of the cast has posted once, so that their names are known."""
    with TemporaryDirectory() as folder:
        desk = create_desk(Path(folder))
        desk.open_ticket(1, "The crane is stuck")
        for actor in VIEWERS:
            desk.post_message(1, actor, "Hello")
        desk.open_ticket(1, "A squeak", CY, guild=ATTIC_GUILD)
        yield desk.db, {actor: desk.person_id(actor) for actor in VIEWERS}
        desk.db.close()


def event_data(type_: str, draw: st.DrawFn) -> dict[str, Any]:
    """The data of one event of `type_` about the cast and a few tickets."""
    actor = draw(st.sampled_from(VIEWERS))
    here = {"guildId": draw(st.sampled_from([HARBOUR_GUILD, ATTIC_GUILD]))}
    number = draw(st.integers(1, 3))
    ticket = here | {"ticketId": 1000 + number, "ticketNumber": number}
    role = draw(st.sampled_from(sorted(ROLE_IDS)))
    team = here | {"roleId": ROLE_IDS[role], "roleName": role}
    who = {"userId": actor.discord_id, "username": actor.name}
    words = {"oldStatus": "OPEN", "actorId": actor.discord_id}
    match type_:
        case "guild.joined":
            owner = {HARBOUR_GUILD: MO, ATTIC_GUILD: CY}[here["guildId"]]
            return here | {"guildName": "A new name", "ownerId": owner.discord_id, "memberCount": 7}
        case "ticket.created":
            return ticket | {
                "subject": draw(st.sampled_from(["Crane", "Rope"])),
                "openerId": actor.discord_id,
                "openerUsername": actor.name,
            }
        case "ticket.updated":
            changes = {
                "subject": {"old": "a", "new": draw(st.sampled_from(["b", "c"]))},
                "priority": {"old": None, "new": draw(st.sampled_from(["high", None]))},
                "tags": {"added": draw(st.sampled_from([["x"], ["y"]])), "removed": ["x"]},
            }
            return ticket | {"changes": changes, "actorId": actor.discord_id}
        case "ticket.deleted":
            return ticket | {"deletedBy": actor.discord_id}
        case "ticket.message_sent":
            return ticket | {
                "messageId": str(draw(st.integers(1, 4))),
                "authorId": actor.discord_id,
                "authorUsername": actor.name,
                "messageType": "customer",
                "hasAttachments": False,
                "messageLength": 5,
                "content": "Hello",
            }
        case "ticket.status_changed":
            status = draw(st.sampled_from(["OPEN", "CLAIMED", "PENDING", "CLOSED"]))
            return ticket | words | {"newStatus": status}
        case "ticket.claimed" | "ticket.closed":
            return ticket | words | {"newStatus": type_.removeprefix("ticket.").upper()}
        case "team.role_created" | "team.role_updated" | "team.role_deleted":
            changes = {"permissions": {"added": ["TICKET_VIEW_ALL"], "removed": []}}
            return team | {"action": type_.removeprefix("team.role_"), "changes": changes}
        case "team.member_assigned" | "team.member_unassigned":
            return team | who | {"action": type_.removeprefix("team.member_")}
        case "member.left":
            return here | who | {"hadOpenTickets": False, "wasTeamMember": True}
        case _:
            return here


@st.composite
def events(draw: st.DrawFn) -> tuple[str, int, dict[str, Any]]:
    """An event of the bot, signed within an hour, in no order."""
    type_ = draw(st.sampled_from(sorted(PAYLOADS)))
    return type_, NOON + draw(st.integers(1, 60)) * MINUTE, event_data(type_, draw)


@pytest.mark.parametrize("type_", sorted(PAYLOADS))
@settings(max_examples=settings().max_examples // 10)
@given(data=st.data())
def test_one_event_updates_every_page(
    desk: tuple[Database, dict[Persona, str]], type_: str, data: st.DataObject
) -> None:
    event = data.draw(st.composite(lambda draw: event_data(type_, draw))())

    run_and_roll_back(desk[0], lambda tx: PageStory(tx, desk[1]).check(type_, NOON + MINUTE, event))


@settings(max_examples=settings().max_examples // 3)
@given(history=st.lists(events(), min_size=2, max_size=8))
def test_events_in_any_order_update_every_page(
    desk: tuple[Database, dict[Persona, str]], history: list[tuple[str, int, dict[str, Any]]]
) -> None:
    def live(tx: Connection) -> None:
        story = PageStory(tx, desk[1])
        for type_, at, data in history:
            story.check(type_, at, data)

    run_and_roll_back(desk[0], live)


TICKETS = f"workspace IN ('guild:{HARBOUR_GUILD}', 'guild:{ATTIC_GUILD}')"
EDITS = (
    f"UPDATE tickets SET status = 'review' WHERE {TICKETS}",
    f"UPDATE tickets SET status = 'foo', subject = 'Hawser' WHERE {TICKETS}",
    f"UPDATE tickets SET deleted_at = NULL WHERE {TICKETS}",
    f"UPDATE tickets SET deleted_at = 5 WHERE workspace = 'guild:{ATTIC_GUILD}'",
    f"UPDATE tickets SET workspace = 'guild:{ATTIC_GUILD}', sender_id = NULL, number = "
    f"(SELECT max(number) + 1 FROM tickets) WHERE workspace = 'guild:{HARBOUR_GUILD}' "
    "AND number = 1",
    f"UPDATE tickets SET opener = 'discord:{DEE.discord_id}', tags = '[\"z\"]' WHERE number < 3",
    f"UPDATE tickets SET assignee = 'discord:{ADA.discord_id}'",
    "DELETE FROM tickets WHERE number = 2",
    "DELETE FROM messages WHERE kind = 'reply'",
    "DELETE FROM messages WHERE type = 'ticket.closed'",
    "UPDATE messages SET text = 'Other words', html = '<b>' WHERE kind = 'reply'",
    "UPDATE messages SET kind = 'note' WHERE side = 'staff'",
    "UPDATE messages SET kind = 'reply', at = at + 1 WHERE kind = 'note'",
    f"UPDATE guilds SET name = 'Pier', owner = 'discord:{UNA.discord_id}' "
    f"WHERE id = '{HARBOUR_GUILD}'",
    f"UPDATE guilds SET owner = NULL, member_count = 'many' WHERE id = '{ATTIC_GUILD}'",
    f"DELETE FROM guilds WHERE id = '{ATTIC_GUILD}'",
    "UPDATE roles SET permissions = 16",
    "UPDATE roles SET active = 0",
    "UPDATE roles SET name = 'Tickets Support'",
    "DELETE FROM roles WHERE name = 'Greeters'",
    "UPDATE role_members SET active = 1",
    "DELETE FROM role_members WHERE principal = 'discord:" + ADA.discord_id + "'",
    "UPDATE guild_members SET permissions = 16",
    "UPDATE guild_members SET left_at = 9999999999999",
    "DELETE FROM guild_members",
)


@pytest.mark.parametrize("statement", EDITS)
def test_a_direct_edit_updates_every_page(
    desk: tuple[Database, dict[Persona, str]], statement: str
) -> None:
    run_and_roll_back(desk[0], lambda tx: PageStory(tx, desk[1]).check_by_hand(statement))


def test_a_server_row_deleted_directly_is_restored_to_every_role_holder(
    desk: tuple[Database, dict[Persona, str]],
) -> None:
    attic = {"guildId": ATTIC_GUILD}
    role = attic | {"roleId": ROLE_IDS["Tickets Support"], "roleName": "Tickets Support"}
    who = {"userId": ADA.discord_id, "username": ADA.name, "action": "assigned"}
    joined = {"guildName": "A new name", "ownerId": CY.discord_id, "memberCount": 7}

    def live(tx: Connection) -> None:
        story = PageStory(tx, desk[1])
        story.check("team.member_assigned", NOON, role | who)
        story.check_by_hand(f"DELETE FROM guilds WHERE id = '{ATTIC_GUILD}'")
        story.check("guild.joined", NOON + MINUTE, attic | joined)
        assert story.look(ADA).guilds[ATTIC_GUILD][1]["name"] == "A new name"

    run_and_roll_back(desk[0], live)


def test_a_deletion_older_than_a_direct_restore_removes_the_ticket_from_no_page(
    desk: tuple[Database, dict[Persona, str]],
) -> None:
    gone = {
        "guildId": HARBOUR_GUILD,
        "ticketId": 1001,
        "ticketNumber": 1,
        "deletedBy": ADA.discord_id,
    }

    def live(tx: Connection) -> None:
        story = PageStory(tx, desk[1])
        story.check("ticket.deleted", NOON + MINUTE, gone)
        assert not story.look(ADA).tickets
        story.check_by_hand(f"UPDATE tickets SET deleted_at = NULL WHERE {TICKETS}")
        story.check("ticket.deleted", NOON + MINUTE, gone)
        assert story.look(ADA).tickets

    run_and_roll_back(desk[0], live)


@settings(max_examples=settings().max_examples // 2)
@given(history=st.lists(st.one_of(events(), st.sampled_from(EDITS)), min_size=2, max_size=10))
def test_events_and_direct_edits_in_any_order_update_every_page(
    desk: tuple[Database, dict[Persona, str]], history: list[tuple[str, int, dict[str, Any]] | str]
) -> None:
    def live(tx: Connection) -> None:
        story = PageStory(tx, desk[1])
        for each in history:
            if isinstance(each, str):
                story.check_by_hand(each)
                tx.execute(delete(outside_changes))  # what could not be
            else:
                story.check(*each)

    run_and_roll_back(desk[0], live)
