"""Test the order of the log on PostgreSQL: dense, and no position visible after a later one.

Twelve writers commit and roll back at random, the sequencers of several processes compete, and a
reader follows as fast as it can. Nothing may be missed, doubled or out of order.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from threading import Event, Thread

import pytest
from sqlalchemy import Connection

from deskwire.events import log
from deskwire.events.sequencer import number_outbox
from deskwire.events.types.registry import PersonChanged
from deskwire.kit.postgres import Postgres
from tests.fixtures.database_kind import current_kind
from tests.fixtures.postgres import get_server
from tests.fixtures.server import SOURCES

pytestmark = pytest.mark.database("postgresql")

WRITERS = 12
EACH = 60  # transactions of a writer
PAUSE = 0.004  # s at most, between any two steps of a transaction
ROLLBACKS = 0.1
PATIENCE = 30.0  # s


class _Enough(Exception):
    """Rolls a transaction back."""


@pytest.fixture
def url() -> str:
    assert current_kind() == "postgresql"
    return get_server().create_migrated()


@pytest.fixture
def db(url: str) -> Iterator[Postgres]:
    opened = Postgres(url)
    yield opened
    opened.close()


class Writer(Thread):
    """Appends one to three events a transaction, and gives up on some; numbers after each."""

    def __init__(self, url: str, name: str, *, numbers: bool = True) -> None:
        super().__init__()
        self._db = Postgres(url)
        self._random = random.Random(name)
        self._numbers = numbers
        self.committed: list[str] = []
        self.name = name

    def run(self) -> None:
        for count in range(EACH):
            types = [f"{self.name}-{count}-{each}" for each in range(self._random.randint(1, 3))]
            with suppress(_Enough):
                self._db.write_sync(self._append, types)
                self.committed += types
                if self._numbers:
                    self._db.write_dedicated_sync(number_outbox)
        self._db.close()

    def _append(self, tx: Connection, types: list[str]) -> None:
        for name in types:
            append(tx, name)
            time.sleep(self._random.random() * PAUSE)  # between taking an id and committing it
        if self._random.random() < ROLLBACKS:
            raise _Enough


class Reader(Thread):
    """Asks for everything after its cursor, again and again."""

    def __init__(self, url: str, until: Event) -> None:
        super().__init__()
        self._db = Postgres(url)
        self._until = until
        self.heard: list[tuple[int, str]] = []

    def run(self) -> None:
        position = 0
        while True:
            is_over = self._until.is_set()  # before the last look
            entries = self._db.read_sync(log.read_after, position, 7)
            for entry in entries:
                position = entry.position
                self.heard.append((position, told_by(entry)))
            if is_over and not entries:
                break
        self._db.close()


def append(tx: Connection, name: str) -> None:
    log.append(tx, PersonChanged(actor="shell", person="p", name=name, revision=1), channels=["a"])


def told_by(entry: log.Entry) -> str:
    return entry.frame.decode().split('"name":"')[1].split('"')[0]


def read_all(db: Postgres) -> list[tuple[int, str]]:
    return [(each.position, told_by(each)) for each in db.read_sync(log.read_after, 0, 100_000)]


def assert_dense(heard: list[tuple[int, str]]) -> None:
    assert [position for position, _ in heard] == list(range(1, len(heard) + 1))


@pytest.mark.parametrize("apart", [False, True], ids=["writers number", "others number"])
def test_a_reader_receives_every_entry_once_and_in_order(
    url: str, db: Postgres, apart: bool
) -> None:
    over = Event()
    writers = [Writer(url, f"w{nth}", numbers=not apart) for nth in range(WRITERS)]
    reader = Reader(url, over)
    sequencers = [Thread(target=number_until, args=(url, over)) for _ in range(3 if apart else 0)]
    everybody = [reader, *sequencers]

    for thread in [*everybody, *writers]:
        thread.start()
    for thread in writers:
        thread.join(PATIENCE)
    while db.write_dedicated_sync(number_outbox).entries:
        pass
    over.set()
    for thread in everybody:
        thread.join(PATIENCE)

    committed = [name for writer in writers for name in writer.committed]
    assert Counter(name for _, name in reader.heard) == Counter(committed)
    assert_dense(reader.heard)
    assert reader.heard == read_all(db)
    assert len(committed) < WRITERS * EACH * 3  # some were rolled back
    assert in_order_of_each_writer(reader.heard) == [writer.committed for writer in writers]


def in_order_of_each_writer(heard: list[tuple[int, str]]) -> list[list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for _, name in heard:
        found[name.partition("-")[0]].append(name)
    return [found[f"w{nth}"] for nth in range(WRITERS)]


def number_until(url: str, over: Event) -> None:
    db = Postgres(url)
    while not over.is_set():
        db.write_dedicated_sync(number_outbox)
    db.close()


CHILD = """
import os, signal, sys
from deskwire.events.sequencer import number_outbox
from deskwire.kit.postgres import Postgres
from tests.db.test_events_sequencer import append

db = Postgres(sys.argv[1])
db.write_sync(append, "by a process that dies")
if sys.argv[2] == "while numbering":
    db.write_dedicated_sync(lambda tx: (number_outbox(tx), os.kill(os.getpid(), signal.SIGKILL)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["before numbering", "while numbering"])
def test_entries_of_a_killed_process_are_numbered_by_another(
    url: str, db: Postgres, moment: str
) -> None:
    db.write_sync(append, "first")
    db.write_dedicated_sync(number_outbox)

    done = subprocess.run(
        [sys.executable, "-c", CHILD, url, moment],
        env={"PYTHONPATH": f"{SOURCES}:{SOURCES.parent}", "PATH": "/usr/bin"},
        capture_output=True,
        timeout=PATIENCE,
    )

    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [name for _, name in read_all(db)] == ["first"]
    assert [told_by(each) for each in db.write_dedicated_sync(number_outbox).entries] == [
        "by a process that dies"
    ]
    assert_dense(read_all(db))


def test_a_replay_sees_its_caused_events_before_they_are_numbered(db: Postgres) -> None:
    cause = "delivery:7"

    def bring_about(tx: Connection) -> bool:
        event = PersonChanged(actor="shell", person="p", name="n", revision=1)
        log.append(tx, event, channels=["a"], cause=cause)
        return log.has_caused_events(tx, cause)

    assert not db.read_sync(log.has_caused_events, cause)
    assert db.write_sync(bring_about)

    assert db.read_sync(log.has_caused_events, cause)
    assert [each.position for each in db.read_sync(log.list_caused_events, cause)] == [None]
    db.write_dedicated_sync(number_outbox)
    assert [each.position for each in db.read_sync(log.list_caused_events, cause)] == [1]


def test_numbering_runs_without_jit_and_with_a_lock_timeout(db: Postgres) -> None:
    def settings(tx: Connection) -> list[str]:
        names = ("jit", "lock_timeout", "transaction_isolation", "synchronous_commit")
        return [tx.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]

    assert db.write_dedicated_sync(settings) == ["off", "5s", "read committed", "on"]


def test_a_rolled_back_transaction_leaves_no_gap(db: Postgres) -> None:
    def give_up(tx: Connection) -> None:
        append(tx, "never")
        raise _Enough

    db.write_sync(append, "one")
    with pytest.raises(_Enough):
        db.write_sync(give_up)
    db.write_sync(append, "two")

    assert [told_by(each) for each in db.write_dedicated_sync(number_outbox).entries] == [
        "one",
        "two",
    ]
    assert_dense(read_all(db))
