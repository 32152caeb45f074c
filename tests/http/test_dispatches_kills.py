"""Test that effects survive kills: what was acknowledged happens, in order, and once.

People ask for mails, the bot reports messages and changes of roles, and servers are ended by
SIGKILL at random moments. Afterwards the test compares three accounts of it: what was
acknowledged to it, what a mail server and an HTTP server of its own have received, and what the
tables hold. An effect may arrive twice only if the server that sent it was killed before it could
record the answer, and then under the same id.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import count, pairwise
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any

import pytest
from sqlalchemy import Connection, Select, func, select

from deskwire.dispatches.store import DispatchRow, dispatches
from deskwire.events.consumers.store import failures, find_consumers_behind
from deskwire.events.log import log
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.kit.clock import now
from deskwire.kit.db import Database
from deskwire.kit.rows import fetch_all
from deskwire.webhooks.deliveries import count_pending, deliveries
from deskwire.workspaces.role_audit import role_changes
from tests.fixtures.database_kind import DatabaseKind
from tests.fixtures.effect_sinks import (
    HttpSink,
    MailSink,
    Receipt,
    open_http_sink,
    open_mail_sink,
)
from tests.fixtures.guild import GuildFixture
from tests.fixtures.scale import scaled
from tests.fixtures.serve_with_sinks import rung
from tests.fixtures.server import PASSWORD, Server, running_server
from tests.fixtures.stream_server import wait_until

KILLS = 3  # times; of one server or of both
SERVERS: dict[DatabaseKind, int] = {"sqlite": 1, "postgresql": 2}
TICKETS = 3  # written in at the same time
MOST_YESES = 40  # requests between two kills, at least
MOST_MAILS = 4  # mails between two kills, at least
PATIENCE = 90.0  # s for a server to come back, or for some requests, on a busy machine
SETTLING_PATIENCE = 240.0  # s until everything has happened; most of it is the lease of the killed
LONGEST_UNRECORDED = 8.0  # s from the other side's yes to our record of it, on a busy machine
RETRY_INTERVAL = 0.05  # s between two attempts to reach a server
PUBLIC_URL = "https://desk.test"
COMMAND = ("-m", "tests.fixtures.serve_with_sinks")


@dataclass
class Fleet:
    """Servers on one database, and when each killed process was killed."""

    servers: Sequence[Server]
    killed_at: dict[int, float] = field(default_factory=dict)  # s on the monotonic clock, by pid
    acknowledged: Counter[str] = field(default_factory=Counter)  # by what was asked for
    asked: Counter[str] = field(default_factory=Counter)  # also without an answer
    is_over: Event = field(default_factory=Event)
    changed: Condition = field(default_factory=Condition)
    problems: list[BaseException] = field(default_factory=list)  # of those who ask

    def kill_some(self) -> None:
        """Kill one server or more once some more requests were acknowledged; start them again."""
        self._wait_for_yeses(random.randint(1, MOST_YESES))
        chosen = random.sample(self.servers, random.randint(1, len(self.servers)))
        for server in chosen:
            self.killed_at[server.pid] = time.monotonic()
            server.kill()
        for server in chosen:
            server.start()

    def ask(self, what: str, request: Callable[[Server], None]) -> bool:
        """Send a request once; return whether it was acknowledged."""
        server = random.choice(self.servers)
        with self.changed:
            self.asked[what] += 1
        try:
            request(server)
        except (OSError, HTTPException):  # it is being killed, or started
            self.is_over.wait(RETRY_INTERVAL)
            return False
        with self.changed:
            self.acknowledged[what] += 1
            self.changed.notify_all()
        return True

    def count_mails(self) -> int:
        """Return the number of mails that were asked for and promised."""
        return sum(number for what, number in self.acknowledged.items() if "@" in what)

    def note_problem(self, problem: BaseException) -> None:
        """End the kills: one of those who ask was not answered as it should be."""
        with self.changed:
            self.problems.append(problem)
            self.changed.notify_all()

    def _wait_for_yeses(self, more: int) -> None:
        with self.changed:
            enough = self.acknowledged.total() + more
            mails = self.count_mails() + random.randint(1, MOST_MAILS)

            def is_enough() -> bool:
                return self.acknowledged.total() >= enough and self.count_mails() >= mails

            self.changed.wait_for(lambda: self.problems or is_enough(), PATIENCE)
            assert not self.problems, self.problems
            assert is_enough(), "no request is answered"


_sources = count(1)


class Client(Thread):
    """Asks for one thing after the other until the kills are over."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(daemon=True)
        self._fleet = fleet

    def run(self) -> None:
        try:
            for number in count(1):
                if self._fleet.is_over.is_set():
                    return
                self._ask(number)
        except BaseException as problem:
            self._fleet.note_problem(problem)

    def _ask(self, number: int) -> None:
        raise NotImplementedError


class Reader(Client):
    """Signs up again and again, and asks for the mail that verifies the address twice more."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        super().__init__(fleet)
        self._prefix = name

    def _ask(self, number: int) -> None:
        self._ask_for_mails(f"{self._prefix}{number}@desk.test")

    def _ask_for_mails(self, email: str) -> None:
        cookie = list[str]()

        def sign_up(server: Server) -> None:
            form = {"name": "Ada", "email": email, "password": PASSWORD}
            page = server.submit_form("/sign-up", source_address=_next_source(), **form)
            assert page.status == 303, page.status
            cookie.append(page.headers["set-cookie"].partition(";")[0])

        def ask_again(server: Server) -> None:
            page = server.submit_form("/settings/verification", cookie[0], _next_source())
            assert page.status == 303, page.status

        if self._fleet.ask(email, sign_up):
            for _ in range(2):
                self._fleet.ask(email, ask_again)


class Bot(Client):
    """Reports one event after the other, each until it is acknowledged.

    They are messages in a ticket, or changes of a role.
    """

    def __init__(self, fleet: Fleet, guild: str, ticket: int | None) -> None:
        super().__init__(fleet)
        self._guild, self._ticket = guild, ticket
        self.sent = list[str]()

    def _ask(self, number: int) -> None:
        type_, id_ = self._choose_event(number)
        data = build_sample_data(type_, guild=self._guild, ticket=self._ticket or 0)
        data |= {"messageId": id_} if self._ticket else {}
        self.sent.append(id_)
        while not self._fleet.ask(id_, lambda server: _post(server, type_, data, id_)):
            pass

    def _choose_event(self, number: int) -> tuple[str, str]:
        if self._ticket is not None:
            return "ticket.message_sent", str(self._ticket * 1_000_000 + number)
        way = "assigned" if number % 2 else "unassigned"
        return f"team.member_{way}", str(number)


def _post(server: Server, type_: str, data: dict[str, object], id_: str) -> None:
    answer = server.post_event(type_, data, id_=id_)
    assert answer.status == 200, answer


def _next_source() -> str:
    """Return an address that no request came from, because the rate limits would refuse them."""
    number = next(_sources)
    return f"127.{2 + number // 62_500}.{number // 250 % 250}.{number % 250 + 2}"


def run_through_kills(fleet: Fleet, guild: str, kills: int) -> list[Bot]:
    """Let people and the bot ask while servers are killed; return the bots."""
    tickets = [Bot(fleet, guild, 1000 + number) for number in range(1, TICKETS + 1)]
    bots = [*tickets, Bot(fleet, guild, None)]
    threads: list[Thread] = [*bots, Reader(fleet, "ada"), Reader(fleet, "bo")]
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
    role_events: list[int]  # positions in the log
    role_changes: list[int]  # positions in the audit
    rung: list[str]
    failures: int
    deliveries: set[tuple[str, str]]  # envelope id and state


def read_tables(tx: Connection) -> Tables:
    """Read everything that the checks compare."""

    def column(query: Select[Any]) -> list[Any]:
        return sorted(tx.execute(query).scalars())

    of_messages = select(log.c.position, log.c.data).where(log.c.type == "ticket.message_sent")
    of_roles = select(log.c.position).where(log.c.type.startswith("team.member_"))
    stored = select(deliveries.c.envelope_id, deliveries.c.state)
    return Tables(
        fetch_all(tx, select(dispatches).order_by(dispatches.c.id), DispatchRow),
        {row[0]: json.loads(row[1])["messageId"] for row in tx.execute(of_messages)},
        column(of_roles),
        column(select(role_changes.c.position)),
        column(select(rung.c.key)),
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


def check_roles(tables: Tables, bot: Bot) -> None:
    """Check that the audit has each change of a role once."""
    assert len(tables.role_events) == len(bot.sent)
    assert tables.role_changes == tables.role_events
    assert tables.failures == 0, "an event that is planned again would fail"


@contextmanager
def running_fleet(folder: Path, size: int, mails: MailSink, http: HttpSink) -> Iterator[Fleet]:
    """Run several servers on one database, which deliver to the sinks."""
    settings = {
        "PUBLIC_URL": PUBLIC_URL,
        "SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
        "MAIL_FROM": "desk@desk.test",
        "TEST_SINK_URL": f"http://127.0.0.1:{http.server_address[1]}",
    }
    with ExitStack() as stack:
        first = stack.enter_context(running_server(folder, COMMAND, **settings))
        shared = {"DATABASE_URL": first.database_url, "BOT_WEBHOOK_SECRET": first.secret}
        servers = [first]
        for number in range(2, size + 1):
            own = folder / str(number)
            own.mkdir()
            servers.append(stack.enter_context(running_server(own, COMMAND, **settings, **shared)))
        for server in servers:
            server.url = PUBLIC_URL  # the origin of its forms
        yield Fleet(servers)


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
        f"{len(tables.rung)} timers, {len(tables.role_changes)} changes of roles"
    )
    check_mails(mails, tables, fleet)
    check_echoes(http, tables, sent)
    check_roles(tables, roles)
    assert {state for _, state in tables.deliveries} <= {"done", "repeat"}
    assert fleet.count_mails() >= kills
    assert len(sent) > TICKETS
