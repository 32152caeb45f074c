"""Measure what a transaction costs the one writer, and what hostile people cost a neighbor.

Members of a busy company (`bench/busy_company.py`) and its staff write texts that are expensive to
render, everywhere a text can be written, while deliveries arrive, rows are edited with SQL and old
entries are deleted. Each transaction is timed by the clock of its own thread, so that it does not
matter how busy the machine is. Then hostile people write such texts as fast as they get answers,
and someone in another company posts replies, as they did alone before.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.busy_company import BusyCompany, fill_database
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
    wait_until,
)
from bench.sockets import HOST, build_request, connect, fetch
from bench.transaction_times import group_cpu, read_transaction_times
from bench.webhook_bodies import message_body, signed_request
from deskwire.integrations.discord.samples import make_snowflake
from deskwire.kit.ids import new_id

SIZE = 20_000  # characters; the longest text a person may write
DELIVERED_SIZE = 10_000  # characters; the longest text of the bot
TEXTS = {
    "wide table": "a|" * 250 + "\n" + "-|" * 250 + "\n" + "a\n" * 9_000,
    "images": "![" * SIZE,
    "brackets": "[" * SIZE,
    "lines": "a\n" * SIZE,
    "links": "[a](b)" * SIZE,
    "emphasis": "*a_ " * SIZE,
    "mentions": "@Busy Member 7 @Busy " * SIZE,
    "unspaced": "起重機中文字" * SIZE,
    "words": " ".join(f"word{number}" for number in range(SIZE)),
}

ROUND_COUNT = 6  # times that each text is written
HOSTILE_COUNT, HOSTILE_SECONDS = 8, 30.0
ALONE_SECONDS = 10.0  # s; of the neighbor's replies before the hostile people come
REPLY_INTERVAL = 0.2  # s between two replies of the neighbor
SESSION_COUNT = 100  # members who write; each may write five long texts before the pace sets in
DRAIN_TIMEOUT = 120.0  # s

MAX_TRANSACTION = 20.0  # ms of CPU, p99
MAX_NEIGHBOUR_WAIT = 150.0  # ms, p95

METHOD = (
    f"{ROUND_COUNT} × {len(TEXTS)} texts of {SIZE:,} characters, each as a request, a reply, an "
    f"edit, a note and a delivery; then {HOSTILE_COUNT} hostile people for {HOSTILE_SECONDS:.0f} s"
)


def measure() -> Report:
    """Measure on SQLite, which has one writer for everyone."""
    with temporary_folder() as folder:
        database = folder / DATABASE_FILE
        database.parent.mkdir(parents=True)
        company = fill_database(f"sqlite:///{database}", SESSION_COUNT)
        environment = {"TIME_TRANSACTIONS": "yes"}
        with running_server(WITH_HOOKS, folder, **environment) as server:
            announce_guild(server)
            noise = MachineNoise(server.read_cpu)
            _write_everywhere(server, company, 0, "A short text.")
            for number, text in enumerate(list(TEXTS.values()) * ROUND_COUNT):
                _write_everywhere(server, company, number, text)
            _wait_until_done(server, database)
            times = group_cpu(read_transaction_times(folder))
            alone = list(_time_replies(server, company, ALONE_SECONDS))
            waits = _reply_among_hostile_people(server, company)
            share = noise.read_share()
    later = {name: values[1:] for name, values in times.items()}  # the first prepares statements
    return Report("writer", METHOD, [], _time_figures(later, alone, waits), share)


def _write_everywhere(server: Server, company: BusyCompany, number: int, text: str) -> None:
    """Write a text as everything it can be, once by each of some people."""
    text, people = text[:SIZE], company.member_tokens
    author, other = people[2 * number % len(people)], people[(2 * number + 1) % len(people)]
    staff = company.staff_tokens[number % len(company.staff_tokens)]
    path = f"/api/requests/{company.request}"
    with closing(connect(server.port)) as connection:

        def send(token: str, method: str, path: str, body: dict[str, Any]) -> Any:
            status, answer = fetch(connection, _build_call(token, method, path, body))
            if status not in (200, 201, 303, 429):
                raise RuntimeError(f"{method} {path} was answered {status}: {answer[-300:]!r}")
            return json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}")

        send(other, "POST", "/api/requests?organization=busy", {"subject": "A", "text": text})
        reply = send(author, "POST", f"{path}/messages", {"text": text})
        send(staff, "POST", f"{path}/messages", {"text": text, "kind": "note"})
        send(staff, "PATCH", path, {"priority": ("low", "high")[number % 2]})
        if "id" in reply:
            send(author, "PATCH", f"{path}/messages/{reply['id']}", {"text": "." + text[1:]})
        if "id" in reply and number % 2:
            # The page's address: the API answers without a content-length.
            page = f"/requests/{company.request}/messages/{reply['id']}/delete"
            send(author, "POST", page, {})
        status, _ = fetch(connection, _build_delivery(number, text[:DELIVERED_SIZE]))
        if status != 200:
            raise RuntimeError(f"a delivery was answered {status}")
    _edit_with_sql(server.folder / DATABASE_FILE, company.request, text, number)


def _build_call(token: str, method: str, path: str, body: dict[str, Any]) -> bytes:
    headers = {"cookie": f"{COOKIE_NAME}={token}", "origin": f"http://{HOST}"}
    headers["content-type"] = "application/json"
    content = json.dumps(body).encode() if body else b""
    if method != "POST":
        headers["content-length"] = str(len(content))
    return build_request(method, path, headers, content)


def _build_delivery(number: int, text: str) -> bytes:
    at = time.time_ns() // 1_000_000
    body = message_body(f"writer-{number}", make_snowflake(at, number & 0xFFF), 1, text, at)
    return signed_request(body)


def _edit_with_sql(database: Path, request: str, text: str, number: int) -> None:
    query = (
        "UPDATE messages SET text = ? WHERE id = (SELECT id FROM messages WHERE ticket = ? "
        "AND kind = 'reply' ORDER BY id LIMIT 1 OFFSET ?)"
    )
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        connection.execute(query, (text, request, 10 + number))
        connection.commit()


def _wait_until_done(server: Server, database: Path) -> None:
    """Wait until all deliveries and direct edits are events, and search is complete."""
    server.wait_until_processed()
    query = "SELECT count(*) FROM outside_changes WHERE problem IS NULL"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        wait_until(
            lambda: connection.execute(query).fetchone()[0] == 0,
            DRAIN_TIMEOUT,
            query,
            server.read_log_tail,
        )


def _reply_among_hostile_people(server: Server, company: BusyCompany) -> list[float]:
    """Return the milliseconds of each reply of the neighbor while hostile people write."""
    is_over = threading.Event()
    hostile = [
        threading.Thread(target=_write_until, args=(server, company, token, is_over))
        for token in company.member_tokens[-HOSTILE_COUNT:]
    ]
    for thread in hostile:
        thread.start()
    try:
        return list(_time_replies(server, company, HOSTILE_SECONDS))
    finally:
        is_over.set()
        for thread in hostile:
            thread.join()


def _write_until(
    server: Server, company: BusyCompany, token: str, is_over: threading.Event
) -> None:
    path = f"/api/requests/{company.request}/messages"
    with closing(connect(server.port)) as connection:
        for text in cycle(TEXTS.values()):
            fetch(connection, _build_call(token, "POST", path, {"text": text[:SIZE]}))
            if is_over.is_set():
                return


def _time_replies(server: Server, company: BusyCompany, seconds: float) -> Iterator[float]:
    path = f"/api/requests/{company.neighbor_request}/messages"
    deadline = time.monotonic() + seconds
    with closing(connect(server.port)) as connection:
        while time.monotonic() < deadline:
            body = {"id": new_id(), "text": "It *still* does not move."}
            call = _build_call(company.neighbor_token, "POST", path, body)
            began = time.perf_counter()
            status, answer = fetch(connection, call)
            if status != 201:
                raise RuntimeError(f"the neighbor was answered {status}: {answer[-300:]!r}")
            yield (time.perf_counter() - began) * 1000
            time.sleep(REPLY_INTERVAL)


def _time_figures(
    times: dict[str, list[float]], alone: list[float], waits: list[float]
) -> list[Figure]:
    all_times = [each for values in times.values() for each in values]
    what = f"CPU of a transaction in the writer, p99 of {len(all_times):,}"
    return [
        _figure(what, all_times, 0.99, MAX_TRANSACTION),
        _figure("a reply of another company, p95", waits, 0.95, MAX_NEIGHBOUR_WAIT),
        figure_of_rounds("a reply of another company, p50", waits, "ms"),
        figure_of_rounds("the same without hostile people, p50", alone, "ms"),
        *(
            _figure(f"{name}, p99 of {len(values):,}", values, 0.99)
            for name, values in sorted(times.items(), key=lambda each: -max(each[1], default=0))
            if values and not name.startswith("execute_command bench")
        ),
    ]


def _figure(what: str, values: list[float], share: float, bar: float | None = None) -> Figure:
    return Figure(what, percentile(values, share), "ms", min(values), max(values), bar)
