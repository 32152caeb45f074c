"""What the account tests stand on: a real database, a cheap hasher, a clock that is told."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select

from deskwire.accounts import people, rate_limit, sessions
from deskwire.accounts.authentication import Visit
from deskwire.accounts.passwords import Cost, Hasher
from deskwire.accounts.people import Person
from deskwire.accounts.sessions import Opened
from deskwire.events import log
from deskwire.kit.db import Database, metadata

NOON = 1_795_348_800_000  # ms; 2026-11-22T12:00:00Z
CHEAP = Cost(memory_kib=8, passes=1, lanes=1)  # the least argon2 takes
RIGHT = "correct horse battery"
VISIT = Visit("192.0.2.7", "a browser")


class ToldClock:
    """Stands still until told otherwise."""

    def __init__(self, at: int = NOON) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


def new_hasher() -> Hasher:
    return Hasher(CHEAP)


def move_in(db: Database, name: str = "Ada", email: str | None = None) -> Person:
    """A person without a password."""
    address = email or f"{name.lower()}@desk.test"
    return db.write_here(people.create, name=name, email=address, at=NOON)


def open_session(db: Database, person: Person, at: int = NOON) -> Opened:
    return db.write_here(
        sessions.begin, person.id, user_agent="a browser", address="192.0.2.7", at=at
    )


def events_of(db: Database) -> list[tuple[str, dict[str, object], list[str], list[str]]]:
    """Everything in the log: type, data, channels, touches."""

    def read(tx: Connection) -> list[tuple[str, dict[str, object], list[str], list[str]]]:
        rows = tx.execute(select(log.log).order_by(log.log.c.position))
        return [
            (r.type, json.loads(r.data), json.loads(r.channels), json.loads(r.touches))
            for r in rows
        ]

    return db.read_here(read)


def fail_to_sign_in(
    db: Database, times: int, *, email: str = "ada@desk.test", address: str = "192.0.2.7", at: int
) -> None:
    for _ in range(times):
        db.write_here(rate_limit.count, email, address, at)


def dump_of(db: Database) -> str:
    """Every value in every table, to look for what must not be there."""

    def read(tx: Connection) -> str:
        return "\n".join(str(list(tx.execute(select(t)))) for t in metadata.sorted_tables)

    return db.read_here(read)
