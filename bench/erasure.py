"""Measure how long what was deleted still exists, and what erasing it costs the one writer.

The bot deletes tickets of a hundred messages: the time from its webhook, which precedes the commit,
until no entry of the log and no stored webhook contains their text. Then the admin of a company
with 100,000 entries in the log deletes it: the time from the request until the service has
finished. Everything is looked through for the texts at the end. On both databases.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sqlalchemy import TextClause, text

from bench import postgres
from bench.busy_company import ENTRY_TEXT, BusyCompany, fill_database
from bench.guild_owner import COOKIE_NAME
from bench.machine import MachineNoise
from bench.report import Figure, Report, figure_of_rounds, percentile
from bench.servers import (
    DATABASE_FILE,
    WITH_HOOKS,
    Server,
    announce_guild,
    running_server,
    temporary_folder,
)
from bench.sockets import HOST, build_request, connect, fetch
from bench.transaction_times import TransactionTime, group_cpu, read_transaction_times
from bench.webhook_bodies import GUILD, message_body, signed_request
from deskwire.events import channels
from deskwire.integrations.discord.samples import build_sample_data, make_snowflake
from deskwire.integrations.discord.sender import build_envelope
from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database

TICKET_ROUNDS = 10  # tickets that are deleted, one after the other
MESSAGE_COUNT = 100  # messages of each
ENTRY_COUNT = 100_000  # of the company, in the log
MARKER = "zauberkran"
CHECK_INTERVAL = 0.005  # s between two looks for the text
ERASE_TIMEOUT = 300.0  # s

MAX_TICKET_SECONDS = 1.0  # s; the slowest of the rounds
MAX_COMPANY_SECONDS = 60.0  # s
MAX_SLICE = 10.0  # ms of CPU, p99

# What the service of `server/erasure.py` runs in the writer.
SLICES = {
    "_erase_entries",
    "erase_ticket",
    "erase_organization",
    "erase_untraced",
    "clear_names_of_unsent_files",
    "purge_removed_words",
    "delete_file_rows",
    "finish_erasure",
}
DELETION = "apply_form"  # the transaction that deletes the company

METHOD = (
    f"{TICKET_ROUNDS} tickets of {MESSAGE_COUNT} messages deleted by the bot, one after the other; "
    f"then a company with {ENTRY_COUNT:,} entries in the log"
)

_TICKET_ENTRIES = text(
    "SELECT count(*) FROM log JOIN tickets ON tickets.id = log.ticket "
    "WHERE tickets.workspace = :workspace AND tickets.number = :number AND log.data LIKE :pattern"
)
_BODIES = {  # stored webhooks that contain a text, by dialect
    "sqlite": text("SELECT count(*) FROM deliveries WHERE instr(body, :marker)"),
    "postgresql": text("SELECT count(*) FROM deliveries WHERE position(:marker IN body) > 0"),
}
_UNFINISHED = text("SELECT count(*) FROM log WHERE erased_to IS NOT NULL")
_DELETIONS = text("SELECT count(*) FROM log WHERE type = 'organization.deleted'")
_MESSAGES = text("SELECT count(*) FROM messages WHERE ticket = :of")
_LEFT = text(
    "SELECT (SELECT count(*) FROM log WHERE data LIKE :pattern) + "
    "(SELECT count(*) FROM messages WHERE text LIKE :pattern OR data LIKE :pattern) + "
    "(SELECT count(*) FROM ticket_words WHERE head LIKE :pattern OR talk LIKE :pattern)"
)


class Costs(NamedTuple):
    """What erasing took on one database."""

    ticket_seconds: list[float]  # until the log and the webhooks say nothing, for each ticket
    company_seconds: float  # until the erasure of the company is finished
    times: list[TransactionTime]  # of the transactions since the company was to be deleted


def measure() -> Report:
    """Measure on SQLite, and on PostgreSQL if it is available."""
    running = postgres.find_server()
    databases = {"SQLite": _measure_database("", lambda: 0.0)}
    if not isinstance(running, str):
        databases["PostgreSQL"] = _measure_database(running.new_database(), running.cpu)
    figures = [each for name, (costs, _) in databases.items() for each in _figures(name, costs)]
    shares = [share for _, share in databases.values()]
    missing = [running] if isinstance(running, str) else []
    return Report("erasure", METHOD, [], figures, max(shares), notes=missing)


def _measure_database(url: str, read_database_cpu: Callable[[], float]) -> tuple[Costs, float]:
    """Measure on the database at `url` or an SQLite file; also return the share of others."""
    with temporary_folder() as folder, ExitStack() as stack:
        file = folder / DATABASE_FILE
        file.parent.mkdir(parents=True)
        company = fill_database(url or f"sqlite:///{file}", 1, ENTRY_COUNT, 0)
        environment = {"TIME_TRANSACTIONS": "yes", **({"DATABASE_URL": url} if url else {})}
        server = stack.enter_context(running_server(WITH_HOOKS, folder, **environment))
        db = connect_database(url or f"sqlite:///{file}")
        stack.callback(db.close)
        announce_guild(server)
        for number in range(1, TICKET_ROUNDS + 1):
            _post_messages(server, number)
        noise = MachineNoise(lambda: server.read_cpu() + read_database_cpu())
        ticket_seconds = [
            _time_ticket(server, db, number) for number in range(1, TICKET_ROUNDS + 1)
        ]
        _wait(lambda: _is_finished(db), server)
        before = len(read_transaction_times(folder))
        company_seconds = _time_company(server, db, company)
        share = noise.read_share()
        times = read_transaction_times(folder)[before:]
        _check_nothing_left(db, company)
    return Costs(ticket_seconds, company_seconds, times), share


def _post_messages(server: Server, ticket: int) -> None:
    at = time.time_ns() // 1_000_000
    with closing(connect(server.port)) as connection:
        for number in range(MESSAGE_COUNT):
            id_ = make_snowflake(at + ticket, number)
            sentence = f"A message about the {MARKER} {number}"
            body = message_body(f"erasure-{ticket}-{number}", id_, ticket, sentence, at)
            _send(connection, signed_request(body), 200)
    server.wait_until_processed()


def _time_ticket(server: Server, db: Database, ticket: int) -> float:
    """Delete a ticket of the bot; return the seconds until its text is in no entry or webhook."""
    data = build_sample_data("ticket.deleted", guild=GUILD, ticket=ticket, number=ticket)
    body = build_envelope("ticket.deleted", data, time.time_ns() // 1_000_000, f"gone-{ticket}")
    left = _count_in_ticket(db, ticket)
    bodies = _count_bodies(db)
    if left != MESSAGE_COUNT:
        raise RuntimeError(f"{left} entries of ticket {ticket} contain its text")
    with closing(connect(server.port)) as connection:
        _send(connection, signed_request(body), 200)
    began = time.perf_counter()
    _wait(
        lambda: not _count_in_ticket(db, ticket) and _count_bodies(db) == bodies - MESSAGE_COUNT,
        server,
    )
    return time.perf_counter() - began


def _time_company(server: Server, db: Database, company: BusyCompany) -> float:
    """Delete the company; return the seconds until its erasure is finished."""
    headers = {"cookie": f"{COOKIE_NAME}={company.member_tokens[0]}", "origin": f"http://{HOST}"}
    headers["content-type"] = "application/x-www-form-urlencoded"
    body = urlencode({"act": "delete", "confirmed": "Busy"}).encode()
    request = build_request("POST", "/orgs/busy/settings", headers, body)
    began = time.perf_counter()
    with closing(connect(server.port)) as connection:
        _send(connection, request, 303)
    # PostgreSQL numbers an event after its commit.
    _wait(lambda: _count(db, _DELETIONS, {}) > 0 and _is_finished(db), server)
    return time.perf_counter() - began


def _count(db: Database, query: TextClause, values: dict[str, Any]) -> int:
    return db.read_sync(lambda tx: int(tx.execute(query, values).scalar_one()))


def _count_in_ticket(db: Database, number: int) -> int:
    values = {"workspace": channels.guild(GUILD), "number": number, "pattern": f"%{MARKER}%"}
    return _count(db, _TICKET_ENTRIES, values)


def _count_bodies(db: Database) -> int:
    return db.read_sync(
        lambda tx: int(
            tx.execute(_BODIES[tx.dialect.name], {"marker": MARKER.encode()}).scalar_one()
        )
    )


def _is_finished(db: Database) -> bool:
    return _count(db, _UNFINISHED, {}) == 0


def _check_nothing_left(db: Database, company: BusyCompany) -> None:
    """Look through everything. Raises RuntimeError if something is left."""
    counts = [_count_bodies(db), _count(db, _MESSAGES, {"of": company.request})]
    counts += [_count(db, _LEFT, {"pattern": f"%{each}%"}) for each in (MARKER, ENTRY_TEXT)]
    if any(counts):
        raise RuntimeError(f"left: {counts} bodies, messages, uses of the texts")


def _wait(is_true: Callable[[], bool], server: Server) -> None:
    deadline = time.monotonic() + ERASE_TIMEOUT
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not erased in {ERASE_TIMEOUT:.0f} s:\n{server.read_log_tail()}")
        time.sleep(CHECK_INTERVAL)


def _send(connection: socket.socket, request: bytes, expected: int) -> None:
    status, answer = fetch(connection, request)
    if status != expected:
        raise RuntimeError(f"answered {status}: {answer[-300:]!r}")


def _figures(name: str, costs: Costs) -> list[Figure]:
    slices = [each for each in costs.times if each.name in SLICES]
    cpu, seconds = [each.cpu for each in slices], costs.ticket_seconds
    [deletion] = [each for each in costs.times if each.name == DELETION]
    what = f"{name}: a ticket of {MESSAGE_COUNT} messages, slowest of {len(seconds)}"
    return [
        Figure(what, max(seconds), "s", min(seconds), max(seconds), MAX_TICKET_SECONDS),
        figure_of_rounds(
            f"{name}: a company with {ENTRY_COUNT:,} entries",
            [costs.company_seconds],
            "s",
            MAX_COMPANY_SECONDS,
        ),
        Figure(
            f"{name}: CPU of a slice, p99 of {len(slices):,}",
            percentile(cpu, 0.99),
            "ms",
            min(cpu),
            max(cpu),
            MAX_SLICE,
        ),
        figure_of_rounds(f"{name}: the deleting transaction", [deletion.wall], "ms"),
        figure_of_rounds(f"{name}: the deleting transaction, CPU", [deletion.cpu], "ms"),
        *(
            Figure(
                f"{name}: {kind}, p99 of {len(values):,}",
                percentile(values, 0.99),
                "ms",
                min(values),
                max(values),
            )
            for kind, values in sorted(group_cpu(slices).items())
        ),
    ]
