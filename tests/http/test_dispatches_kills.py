"""Test that effects survive kills: what was acknowledged happens, in order, and once.

People ask for mails, the bot reports messages and changes of roles, and servers are ended by
SIGKILL at random moments. Afterwards the test compares three accounts of it: what was
acknowledged to it, what a mail server and an HTTP server of its own have received, and what the
tables hold. An effect may arrive twice only if the server that sent it was killed before it could
record the answer, and then under the same id.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select, func, select

from deskwire.dispatches.store import DispatchRow, dispatches
from deskwire.events.consumers.store import failures, find_consumers_behind
from deskwire.events.log import log
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.rows import fetch_all
from deskwire.webhooks.deliveries import count_pending, deliveries
from deskwire.workspaces.role_audit import ROLE_AUDIT, role_changes
from tests.fixtures.database_kind import DatabaseKind
from tests.fixtures.effect_sinks import (
    HttpSink,
    MailSink,
    Receipt,
    open_http_sink,
    open_mail_sink,
)
from tests.fixtures.fleet import PATIENCE, Bot, Fleet, Inviter, Reader, running_fleet
from tests.fixtures.guild import GuildFixture
from tests.fixtures.scale import scaled
from tests.fixtures.serve_with_sinks import rung
from tests.fixtures.stream_server import wait_until

KILLS = 3  # times; of one server or more
SERVERS: dict[DatabaseKind, int] = {"sqlite": 1, "postgresql": 3}
TICKETS = 3  # written in at the same time
SETTLING_PATIENCE = 240.0  # s until everything has happened, on a busy machine
LONGEST_UNRECORDED = 8.0  # s from the other side's yes to our record of it, on a busy machine


def run_through_kills(fleet: Fleet, guild: str, kills: int) -> list[Bot]:
    """Let people and the bot ask while servers are killed; return the bots."""
    tickets = [Bot(fleet, guild, 1000 + number) for number in range(1, TICKETS + 1)]
    bots = [*tickets, Bot(fleet, guild, None)]
    threads = [*bots, Reader(fleet, "ada"), Reader(fleet, "bo"), Inviter(fleet)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(kills):
            fleet.kill_some()
    finally:
        fleet.is_over.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert fleet.problems == []
    return bots


def wait_until_settled(db: Database) -> None:
    """Wait until every delivery, event, dispatch and timer is done with, or given up."""

    def is_settled(tx: Connection) -> bool:
        waiting = select(func.count()).where(dispatches.c.finished_at.is_(None))
        return not (
            count_pending(tx)
            or find_consumers_behind(tx, ["echo", "role-audit"], now())
            or tx.execute(waiting).scalar_one()
        )

    wait_until(lambda: db.read_sync(is_settled), SETTLING_PATIENCE)


@dataclass
class Tables:
    """What the tables hold afterwards."""

    dispatches: Sequence[DispatchRow]
    messages: dict[int, str]  # of the log, by position
    role_events: dict[int, str]  # of the log: types by position
    role_changes: list[int]  # positions in the audit
    rung: list[str]
    invitations: list[tuple[str, str]]  # events of the log: type, id of the invitation
    failures: int
    deliveries: set[tuple[str, str]]  # envelope id and state


def read_tables(tx: Connection) -> Tables:
    """Read everything that the checks compare."""

    def column(query: Select[Any]) -> list[Any]:
        return sorted(tx.execute(query).scalars())

    of_messages = select(log.c.position, log.c.data).where(log.c.type == "ticket.message_sent")
    of_roles = select(log.c.position, log.c.type).where(log.c.type.in_(ROLE_AUDIT.types))
    of_invitations = select(log.c.type, log.c.data).where(log.c.type.startswith("invitation."))
    stored = select(deliveries.c.envelope_id, deliveries.c.state)
    return Tables(
        fetch_all(tx, select(dispatches).order_by(dispatches.c.id), DispatchRow),
        {row[0]: json.loads(row[1])["messageId"] for row in tx.execute(of_messages)},
        {row[0]: row[1] for row in tx.execute(of_roles)},
        column(select(role_changes.c.position)),
        column(select(rung.c.key)),
        [(row[0], json.loads(row[1])["invitation"]) for row in tx.execute(of_invitations)],
        tx.execute(select(func.count()).select_from(failures)).scalar_one(),
        {(json.loads(row[0]), row[1]) for row in tx.execute(stored) if row[0] is not None},
    )


def check_receipts(receipts: Sequence[Receipt], fleet: Fleet) -> int:
    """Check that repetitions are explained by a kill; return their number."""
    by_id = defaultdict[str, list[Receipt]](list)
    for receipt in receipts:
        by_id[receipt.id].append(receipt)
    for same in by_id.values():
        assert len({(each.about, each.content) for each in same}) == 1, "another effect, same id"
        for first, again in pairwise(same):
            killed_at = fleet.killed_at.get(first.process)
            assert killed_at is not None, f"{first.id} was sent twice without a kill"
            assert again.received_at > killed_at, f"{first.id} was sent before the kill, twice"
            recorded_by = (first.accepted_at or killed_at) + LONGEST_UNRECORDED
            assert recorded_by > killed_at, f"the yes to {first.id} came long before the kill"
    return len(receipts) - len(by_id)


def check_mails(sink: MailSink, tables: Tables, fleet: Fleet) -> None:
    """Check the mails against what was acknowledged, and against the dispatches."""
    rows = {
        f"<deskwire.{row.id}.{row.created_at}@desk.test>": row
        for row in tables.dispatches
        if row.target == "mail"
    }
    assert {row.state for row in rows.values()} == {"done"}
    assert {each.id for each in sink.receipts} == set(rows), "sent = recorded as sent"
    received = Counter(about for _, about in {(each.id, each.about) for each in sink.receipts})
    for email in (each for each in fleet.asked if "@" in each):
        assert fleet.acknowledged[email] <= received[email] <= fleet.asked[email], email
    check_order([(rows[each.id].key, rows[each.id].id) for each in sink.receipts])


def check_echoes(sink: HttpSink, tables: Tables, sent: Sequence[str]) -> None:
    """Check the requests against the acknowledged messages, and against the dispatches."""
    rows = [row for row in tables.dispatches if row.target == "sink"]
    assert {row.state for row in rows} == {"done"}
    assert sorted(tables.messages.values()) == sorted(sent), "each message is in the log once"
    assert sorted(row.position or 0 for row in rows) == sorted(tables.messages), "planned once"
    received = {each.id: each.content for each in sink.receipts}
    assert received == {str(row.id): tables.messages[row.position or 0] for row in rows}
    check_order([(each.about, int(each.content)) for each in sink.receipts])
    assert tables.rung == sorted(sent), "each timer ran once"


def check_order(receipts: Sequence[tuple[str, int]]) -> None:
    """Check that the effects of each key arrived in order; one may arrive twice."""
    by_key = defaultdict[str, list[int]](list)
    for key, number in receipts:
        by_key[key].append(number)
    assert [numbers for numbers in by_key.values() if numbers != sorted(numbers)] == []


def check_invitations(tables: Tables, fleet: Fleet) -> int:
    """Check that each invitation expired once; return their number."""
    by_type = defaultdict[str, list[str]](list)
    for type_, invitation in tables.invitations:
        by_type[type_].append(invitation)
    created = by_type["invitation.created"]
    assert sorted(by_type["invitation.expired"]) == sorted(created)
    promised = [each for each in fleet.acknowledged if each.startswith("guest")]
    assert len(promised) <= len(created)
    return len(created)


def check_roles(tables: Tables, bot: Bot) -> None:
    """Check that the audit has each change of a role once."""
    reported = [type_ for type_ in tables.role_events.values() if type_.startswith("team.member_")]
    assert len(reported) == len(bot.sent)
    assert tables.role_changes == sorted(tables.role_events)
    assert tables.failures == 0, "an event that is planned again would fail"


@pytest.mark.slow
def test_effects_happen_once_and_in_order_through_kills(
    database: DatabaseKind, tmp_path: Path
) -> None:
    kills = scaled(KILLS)
    with (
        open_mail_sink() as mails,
        open_http_sink() as http,
        running_fleet(tmp_path, SERVERS[database], mails, http) as fleet,
        fleet.servers[0].open_database() as db,
    ):
        db.write_sync(rung.create)
        guild = GuildFixture(fleet.servers[0])
        for number in range(1, TICKETS + 1):
            guild.open_ticket(number, f"Ticket {number}")
        *tickets, roles = run_through_kills(fleet, guild.guild_id, kills)
        wait_until_settled(db)
        tables = db.read_sync(read_tables)

    repeated = check_receipts(mails.receipts, fleet), check_receipts(http.receipts, fleet)
    sent = [id_ for bot in tickets for id_ in bot.sent]
    print(
        f"\n{len(fleet.killed_at)} processes killed: {len(mails.receipts)} mails and "
        f"{len(http.receipts)} requests received, {repeated} of them twice, "
        f"{len(tables.rung)} timers, {len(tables.role_changes)} changes of roles, "
        f"{check_invitations(tables, fleet)} invitations"
    )
    check_mails(mails, tables, fleet)
    check_echoes(http, tables, sent)
    check_roles(tables, roles)
    assert {state for _, state in tables.deliveries} <= {"done", "repeat"}
    assert fleet.count_mails() >= kills
    assert len(sent) > TICKETS
