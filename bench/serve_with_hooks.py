"""Serve Deskwire as shipped, with more commands on the control socket.

    bench.append EVENTS     append that many small events in one transaction, to many channels
    bench.append_long EVENTS    the same with events of 1 kB, all to the common guild
    bench.statements        how many SQL statements were run so far, by the tables they read

Statements are counted where SQLite runs them, so that none is missed, whatever code runs it; only
if COUNT_SQL is set, because counting takes time. BUFFER_BYTES: the size of the event buffer. With
TIME_TRANSACTIONS set, each writing transaction appends a line to the file TIMES_FILE.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.pool import Pool

from bench.many_people import FIRST_SIDE_GUILD, SIDE_GUILDS
from bench.transaction_times import TIMES_FILE
from bench.webhook_bodies import GUILD
from deskwire.cli.main import main
from deskwire.events import channels, log
from deskwire.events.types.registry import TicketClaimed
from deskwire.kit.db import Database
from deskwire.server import services
from deskwire.server.admin_commands import COMMANDS

PADDING = "A text of the length that a short message has, so that the frame is of common size. "

COUNTED_TABLES = ("log", "sessions", "identities")  # replay, authentication, authorization

_statement_counts: Counter[str] = Counter()


def append_events(tx: Connection, arguments: dict[str, Any]) -> None:
    """Append the events, each for one guild."""
    for guild in target_guilds(int(arguments["events"])):
        fact = TicketClaimed.model_construct(
            actor="bench", workspace=channels.guild(guild), text=PADDING
        )
        log.append(tx, fact, channels=[channels.guild(guild)])


def append_long_events(tx: Connection, arguments: dict[str, Any]) -> None:
    """Append the events, all for the common guild."""
    guild = channels.guild(GUILD)
    fact = TicketClaimed.model_construct(actor="bench", workspace=guild, text=PADDING * 12)
    for _ in range(int(arguments["events"])):
        log.append(tx, fact, channels=[guild])


def target_guilds(events: int) -> list[str]:
    """Return the guild of each event: every other one is the common guild, the rest side guilds."""
    return [
        GUILD if number % 2 else str(FIRST_SIDE_GUILD + number // 2 % SIDE_GUILDS)
        for number in range(events)
    ]


def read_statement_counts(_tx: Connection, _arguments: dict[str, Any]) -> dict[str, int]:
    """Return the number of statements so far that read each table, and of all statements.

    A statement may read several tables.
    """
    return dict(_statement_counts)


def _trace_statements(connection: sqlite3.Connection, _record: object) -> None:
    connection.set_trace_callback(_count_statement)


def _count_statement(statement: str) -> None:
    _statement_counts["all"] += 1
    words = " ".join(statement.split()) + " "
    for table in COUNTED_TABLES:
        _statement_counts[table] += f"FROM {table} " in words or f"JOIN {table} " in words


def _time_transactions() -> None:
    write_sync = Database.write_sync
    times_file = os.open(TIMES_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)  # of several threads

    def write_timed(db: Database, function: Any, *args: Any, **kwargs: Any) -> Any:
        began, began_cpu = time.perf_counter(), time.thread_time()
        try:
            return write_sync(db, function, *args, **kwargs)
        finally:
            cpu, wall = time.thread_time() - began_cpu, time.perf_counter() - began
            timed = (_name_transaction(function, args), cpu * 1000, wall * 1000)
            os.write(times_file, json.dumps(timed).encode() + b"\n")

    Database.write_sync = write_timed  # type: ignore[method-assign, assignment]


def _name_transaction(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """Name a transaction by the action behind the closure that runs it, if there is one."""
    cells = dict(
        zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        if hasattr(function, "__code__")
        else ()
    )
    if "action" in cells:
        function = cells["action"].cell_contents
    is_command = function.__name__ == "execute_command"
    return f"{function.__name__} {args[0]}" if is_command else function.__name__


if __name__ == "__main__":
    COMMANDS["bench.append"] = append_events
    COMMANDS["bench.append_long"] = append_long_events
    COMMANDS["bench.statements"] = read_statement_counts
    if os.environ.get("TIME_TRANSACTIONS"):
        _time_transactions()
    if os.environ.get("COUNT_SQL"):
        event.listen(Pool, "connect", _trace_statements)
    if buffer_bytes := os.environ.get("BUFFER_BYTES"):
        vars(services)["BUFFER_BYTES"] = int(buffer_bytes)
    main()
