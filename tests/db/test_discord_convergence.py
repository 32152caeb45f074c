"""Test that the bot's events converge to one state, in any order and with repeats."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, select

from deskwire.events.log import log
from deskwire.integrations.discord.samples import EVENT_TYPES, build_sample_data
from deskwire.tickets.messages import messages, read_facts
from deskwire.tickets.tables import participants, tickets
from deskwire.workspaces.guilds.guilds import guilds
from deskwire.workspaces.guilds.members import guild_members
from deskwire.workspaces.guilds.roles import role_members, roles
from deskwire.workspaces.names import discord_users
from tests.fixtures.bot_deliveries import (
    NOON,
    SignedEvent,
    accept_event,
    process_deliveries,
    read_outcomes,
    run_and_roll_back,
)
from tests.fixtures.databases import create_database

STATE = (tickets, participants, messages, roles, role_members, guild_members, guilds, discord_users)
OURS = {"id", "ticket", "revision", "created_at"}  # follow the order of arrival; they tell nothing

GUILD = "1046123456789012345"
USERS = {"300000000000000001": ("ann", "anna"), "300000000000000002": ("ben", "benny")}
PERMISSIONS = ("TICKET_VIEW_ALL", "TICKET_CLAIM", "NOT_A_PERMISSION")


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    db = create_database(tmp_path_factory.mktemp("convergence"))
    yield db
    db.close()


@st.composite
def events(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    type_ = draw(st.sampled_from(EVENT_TYPES))
    user = draw(st.sampled_from(sorted(USERS)))
    ticket = draw(st.integers(1, 2))
    data = build_sample_data(
        type_,
        guild=GUILD,
        guild_name=draw(st.sampled_from(["Northwind", "Southwind"])),
        owner=draw(st.sampled_from(sorted(USERS))),
        user=user,
        username=draw(st.sampled_from(USERS[user])),
        role=draw(st.sampled_from(["500000000000000001", "500000000000000002"])),
        role_name=draw(st.sampled_from(["Tickets Support", "Tickets Viewer", "Helpers"])),
        ticket=ticket,
        number=ticket,
        subject=draw(st.sampled_from(["Cannot sign in", "Cannot sign out"])),
    )
    return type_, data | draw(details(type_))


def details(type_: str) -> st.SearchStrategy[dict[str, Any]]:
    some = st.sampled_from
    if type_ == "ticket.updated":
        changes = {
            "subject": st.fixed_dictionaries({"new": some(["A", "B"])}),
            "priority": st.fixed_dictionaries({"new": some(["high", None])}),
            "tags": st.fixed_dictionaries(
                {"added": st.lists(some("xy")), "removed": st.lists(some("xy"))}
            ),
        }
        return st.fixed_dictionaries({"changes": st.fixed_dictionaries({}, optional=changes)})
    if type_ == "team.role_updated":
        bits = st.lists(some(PERMISSIONS))
        changed = st.fixed_dictionaries({"added": bits, "removed": bits})
        return st.fixed_dictionaries(
            {"changes": st.fixed_dictionaries({}, optional={"permissions": changed})}
        )
    if type_ == "ticket.status_changed":
        return st.fixed_dictionaries({"newStatus": some(["OPEN", "CLAIMED", "PENDING", "CLOSED"])})
    if type_ == "guild.setup_complete":
        events = some(["600000000000000001", "600000000000000002", None])
        return st.fixed_dictionaries({"logChannelId": events, "supportCategoryId": events})
    return st.just({})


@st.composite
def histories(draw: st.DrawFn) -> list[SignedEvent]:
    """Up to a dozen events of one server, each at its own time."""
    found = draw(st.lists(events(), min_size=2, max_size=12))
    return [
        SignedEvent(
            NOON + nth,
            type_,
            data | ({"messageId": str(nth)} if type_ == "ticket.message_sent" else {}),
        )
        for nth, (type_, data) in enumerate(found)
    ]


def state_of(tx: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {table.name: rows_of(tx, table) for table in STATE}


def rows_of(tx: Connection, table: Table) -> list[tuple[object, ...]]:
    """The rows of a table without what is ours, in an order of their own."""
    shown = [column for column in table.c if column.name not in OURS]
    if table is guilds:
        shown.append(guilds.c.id)
    return sorted((tuple(row) for row in tx.execute(select(*shown))), key=repr)


@pytest.mark.database(
    "sqlite"
)  # thousands of transactions; tests/db/test_realtime_access_histories.py runs on both
@given(history=histories(), data=st.data())
def test_the_order_of_arrival_does_not_matter(db, history, data):
    shuffled = data.draw(st.permutations(history))

    def state_after(order: list[SignedEvent]):
        def live(tx: Connection):
            process_deliveries(db, tx, map(accept_event, order))
            return state_of(tx)

        return run_and_roll_back(db, live)

    assert state_after(shuffled) == state_after(history)


@given(history=histories(), data=st.data())
def test_repeated_events_change_nothing(db, history, data):
    again = data.draw(st.permutations(history))

    def live(tx: Connection):
        process_deliveries(db, tx, map(accept_event, history))
        once = state_of(tx), tx.execute(select(log)).all()
        process_deliveries(db, tx, map(accept_event, again))
        return once, (state_of(tx), tx.execute(select(log)).all())

    once, twice = run_and_roll_back(db, live)
    assert once == twice


def test_events_with_equal_timestamps_count_in_order_of_arrival(db):
    words = ["CLAIMED", "OPEN", "PENDING", "CLOSED"] * 5
    events = [
        SignedEvent(NOON, "ticket.status_changed", build_sample_data("ticket.status_changed") | new)
        for new in ({"newStatus": word, "reason": str(nth)} for nth, word in enumerate(words))
    ]

    def live(tx: Connection):
        process_deliveries(db, tx, map(accept_event, events))
        [ticket] = tx.execute(select(tickets)).all()
        facts = read_facts(tx, ticket.id)
        return ticket.status, [fact.data["reason"] for fact in facts]

    assert run_and_roll_back(db, live) == ("done", [str(nth) for nth in range(len(words))])


def test_a_retry_under_the_senders_own_id_changes_nothing(db):
    data = build_sample_data("ticket.message_sent", at=NOON)
    first = accept_event(SignedEvent(NOON, "ticket.message_sent", data), id_="a")
    retry = accept_event(SignedEvent(NOON + 9, "ticket.message_sent", data), id_="a")

    def live(tx: Connection):
        process_deliveries(db, tx, [first])
        once = state_of(tx)
        process_deliveries(db, tx, [retry])
        return once, state_of(tx), read_outcomes(tx)

    once, twice, states = run_and_roll_back(db, live)
    assert once == twice
    assert states == [("done", "[]"), ("repeat", "[]")]


def test_a_repeated_id_with_a_different_event_is_parked(db):
    events = [SignedEvent(NOON, "guild.left", {"guildId": each}) for each in ("1", "2")]

    def live(tx: Connection):
        process_deliveries(db, tx, [accept_event(each, id_="a") for each in events])
        return read_outcomes(tx)

    first, second = run_and_roll_back(db, live)
    assert first == ("done", "[]")
    assert second[0] == "parked"
    assert 'id "a" was used by delivery' in json.loads(second[1])[0]


def test_a_number_beyond_a_double_is_parked_with_its_reason(db):
    arrived = accept_event(SignedEvent(NOON, "guild.left", {"guildId": "1", "count": 77}))
    huge = arrived._replace(body=arrived.body.replace(b"77", b"1e999"))

    def live(tx: Connection):
        process_deliveries(db, tx, [huge])
        return read_outcomes(tx)

    [(state, reasons)] = run_and_roll_back(db, live)
    assert state == "parked"
    assert "is too large" in reasons
