"""Measure what reaches beyond the pages: planning a backlog of events, and sending dispatches.

A consumer that is 10,000 events behind catches up, first one that writes nothing, then one that
tells three people of each event. Then 10,000 dispatches over 1,000 keys go to a target that refuses
every tenth and does not answer every hundredth; the order within each key is checked, and that
nothing is lost or sent twice. Everything runs in this process, with the real tables.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, insert

from bench import postgres
from bench.machine import MachineNoise
from bench.report import Figure, Report, figure_of_rounds, percentile
from bench.servers import DATABASE_FILE, temporary_folder
from deskwire.dispatches.dispatcher import Dispatcher
from deskwire.dispatches.store import Dispatch, dispatches, queue
from deskwire.dispatches.target import BeginFunction, Done, Outcome, Refused
from deskwire.events.consumers.planning import plan_batch
from deskwire.events.consumers.store import Consumer, LoggedEvent, register_consumers
from deskwire.events.log import log
from deskwire.kit.clock import Millis, now
from deskwire.kit.connect import connect_database
from deskwire.kit.db import Database
from deskwire.schema import migrate

BACKLOG = 10_000  # events behind
TOLD = 3  # people told of each event
DISPATCHES, KEYS = 10_000, 1_000
REFUSED_EVERY, SILENT_EVERY = 10, 100
SILENCE = 0.05  # s until a silent attempt is given up; a real one takes 30
LIMIT = 50  # dispatches at the same time
EVENT_TYPE = "guild.left"

MIN_PLANNED_PER_SECOND = 5_000.0  # where no one is told
MIN_TOLD_PER_SECOND = 800.0  # where three are
MAX_SLICE_MS = 10.0

METHOD = (
    f"{BACKLOG:,} events behind; then {DISPATCHES:,} dispatches over {KEYS:,} keys, every "
    f"{REFUSED_EVERY}th refused and every {SILENT_EVERY}th unanswered"
)


@dataclass(slots=True)
class FakeTarget:
    """Another system that keeps what it accepted."""

    name: str = "fake"
    limit: int = LIMIT
    timeout: float = SILENCE
    stop_timeout: float = 1.0
    max_age: int | None = None
    on_dead: Literal["blocks", "skips"] = "blocks"
    has_secrets: bool = False
    accepted: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    attempts: count[int] = field(default_factory=lambda: count(1))

    def find_obstacle(self, tx: Connection, dispatch: Dispatch, at: Millis) -> str | None:
        return None

    def record_gone(self, tx: Connection, dispatch: Dispatch, at: Millis) -> None:
        raise AssertionError("no recipient is gone")

    async def send(self, dispatch: Dispatch, begin: BeginFunction) -> Outcome:
        number = next(self.attempts)
        begin()
        if number % SILENT_EVERY == 0:
            await asyncio.sleep(2 * SILENCE)
        if number % REFUSED_EVERY == 0:
            return Refused("409")
        await asyncio.sleep(0)
        self.accepted[dispatch.key].append(dispatch.payload["number"])
        return Done("200")


def measure() -> Report:
    """Measure both databases."""
    noise = MachineNoise(_own_cpu)
    ratios, figures, notes = list[Figure](), list[Figure](), list[str]()
    with temporary_folder() as folder:
        _measure_database(f"sqlite:///{folder / DATABASE_FILE}", "SQLite", ratios, figures)
    server = postgres.find_server()
    if isinstance(server, str):
        notes.append(server)
    else:
        _measure_database(server.new_database(), "PostgreSQL", ratios, figures)
    return Report("reach", METHOD, ratios, figures, noise.read_share(), notes=notes)


def _measure_database(url: str, title: str, ratios: list[Figure], figures: list[Figure]) -> None:
    db = connect_database(url)
    try:
        migrate(db)
        for what, plan, bar in (
            ("no one is told", _plan_nothing, MIN_PLANNED_PER_SECOND),
            (f"{TOLD} people are told", _plan_three, MIN_TOLD_PER_SECOND),
        ):
            pace, slices = _catch_up(db, what, plan)
            name = f"{title}: planned per second where {what}"
            ratios.append(figure_of_rounds(name, [pace], "/s", bar, "above"))
            slice_name = f"{title}: a slice, p99"
            figures.append(
                figure_of_rounds(slice_name, [percentile(slices, 0.99)], "ms", MAX_SLICE_MS)
            )
        figures += asyncio.run(_send_all(db, title))
    finally:
        db.close()


def _catch_up(
    db: Database, name: str, plan: Callable[[Connection, Sequence[LoggedEvent]], None]
) -> tuple[float, list[float]]:
    """Return events planned per second, and the CPU of each slice in ms."""
    db.write_sync(register_consumers, [name])
    db.write_sync(_append_events)
    consumer, slices = Consumer(name, frozenset({EVENT_TYPE}), plan), list[float]()

    def plan_timed(tx: Connection) -> bool:
        began = time.thread_time()
        progress = plan_batch(tx, consumer, now())
        slices.append((time.thread_time() - began) * 1000)
        return progress is None or progress.is_caught_up

    began = time.perf_counter()
    while not db.write_sync(plan_timed):
        pass
    return BACKLOG / (time.perf_counter() - began), slices


def _append_events(tx: Connection) -> None:
    head = tx.exec_driver_sql("SELECT coalesce(max(position), 0) FROM log").scalar_one()
    row = {"type": EVENT_TYPE, "actor": "bot", "touches": "[]", "data": "{}", "at": now()}
    row |= {"channels": '["guild:1"]', "workspace": "guild:1"}
    rows = [{**row, "position": head + n, "ticket": f"t{n % 500}"} for n in range(1, BACKLOG + 1)]
    tx.execute(insert(log), rows)


def _plan_nothing(_tx: Connection, _events: Sequence[LoggedEvent]) -> None:
    pass


def _plan_three(tx: Connection, events: Sequence[LoggedEvent]) -> None:
    row = {"target": "none", "kind": "told", "payload": "{}", "state": "new", "attempts": 0}
    tx.execute(
        insert(dispatches),
        [
            {**row, "key": f"{event.ticket}:{n}", "due_at": event.at, "created_at": event.at}
            | {"claimed_until": 0, "position": event.position}
            for event in events
            for n in range(TOLD)
        ],
    )


async def _send_all(db: Database, title: str) -> list[Figure]:
    """Send everything; return the figures. Raises RuntimeError if anything is lost or doubled."""
    target = FakeTarget()

    def queue_all(tx: Connection) -> None:
        for number in range(DISPATCHES):
            queue(tx, target.name, f"k{number % KEYS}", "toy", {"number": number}, at=now())

    await db.write(queue_all)
    # Refusals are retried at once, and pauses are short: the pace is measured, not the waiting.
    sender = Dispatcher(db, [target], jitter=lambda: 0.0, timer=lambda: time.monotonic() * 100)
    memory, began = _own_memory(), time.perf_counter()
    while sum(map(len, target.accepted.values())) < DISPATCHES or any(
        sender.count_running().values()
    ):
        await sender.send_due()
        await asyncio.sleep(0.001)
    seconds = time.perf_counter() - began
    for key, numbers in target.accepted.items():
        if numbers != sorted(set(numbers)):
            raise RuntimeError(f"{title}: {key} was sent twice or out of order: {numbers}")
    return [
        figure_of_rounds(f"{title}: dispatches per second", [DISPATCHES / seconds], "/s"),
        figure_of_rounds(f"{title}: memory meanwhile", [_own_memory() - memory], "MB"),
    ]


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _own_memory() -> float:
    """Return the resident memory of this process in MB."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize() / 1e6
