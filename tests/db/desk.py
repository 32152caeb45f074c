"""A desk without a network: the real database, worker, access and hub; deliveries go in at the
intake, frames come out at an outlet."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.errors import DeadlockDetected

from deskwire.accounts import people, sessions
from deskwire.direct_edits.change_log import is_anything
from deskwire.events import log
from deskwire.integrations.discord.source import BotSource
from deskwire.kit.clock import now
from deskwire.kit.sqlite import SCHEME, path_of
from deskwire.realtime.subscription import Caller
from deskwire.server import admin_commands
from deskwire.server.services import Services, open_database, running
from deskwire.settings import load
from deskwire.webhooks.source import Arrived
from tests.databases import new_url
from tests.unit.fakes import Outlet

PATIENT = 20  # times an edit by hand is tried


class Desk:
    """One running desk. Every method returns when its effects have reached the streams."""

    def __init__(self, services: Services, url: str) -> None:
        self.services, self.url = services, url
        self.db, self.hub = services.db, services.hub
        self.sessions: dict[str, str] = {}
        self.clock = now()
        self._posted = 0

    async def person(self, name: str) -> str:
        """The id of a new person of that name, signed in."""

        def make(tx: Any) -> tuple[str, str]:
            person = people.create(tx, name=name, email=f"{name}@example.org")
            opened = sessions.begin(tx, person.id, user_agent="", address=None, at=now())
            return person.id, opened.session.id

        person_id, session = await self.db.write(make)
        self.sessions[person_id] = session
        return person_id

    async def post(self, type_: str, /, *, at: int | None = None, **data: Any) -> None:
        """A delivery of the bot's; `at` is its signed time (each later than the last)."""
        self._posted += 1
        self.clock = max(self.clock + 1, now())
        event = {"type": type_, "data": data}
        body = json.dumps({"event": event, "timestamp": "-", "id": self._posted}).encode()
        digest = hashlib.sha256(body).hexdigest()
        signed_at = self.clock if at is None else at
        arrived = Arrived("bot", digest, str(self._posted), type_, signed_at, now(), body)
        await self.services.intake.keep(arrived)
        await self.settle()

    async def command(self, name: str, **arguments: Any) -> Any:
        """A command of the shell's."""
        result = await self.db.write(admin_commands.run, name, arguments)
        await self.settle()
        return result

    async def by_hand(self, *statements: str) -> None:
        """What somebody does with another program, in one transaction."""
        await asyncio.to_thread(by_hand, self.url, *statements)
        await self.settle()

    async def open(self, person: str, after: str | None = None) -> Outlet:
        """A stream of `person`, connected."""
        outlet = Outlet(self.hub)
        caller = Caller(person, self.sessions[person], 2**60)
        outlet.seat = self.hub.join(caller, "all", outlet, after)
        await self.settle()
        return outlet

    async def settle(self) -> None:
        """Until everything kept is understood, dispatched, and every stream live."""
        async with asyncio.timeout(20):
            while not await self._is_settled():  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.001)

    async def _is_settled(self) -> bool:
        def read(tx: Any) -> tuple[int, int]:
            pending = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
            waiting = tx.exec_driver_sql(pending).scalar_one() + log.count_waiting(tx)
            waiting += is_anything(tx)
            return waiting, log.read_head(tx)

        waiting, head = await self.db.read(read)
        return (
            waiting == 0
            and self.hub.window.head == head
            and all(seat.live for seat in self.hub.seats)
        )


def by_hand(url: str, *statements: str) -> None:
    """Run statements in one transaction, as `sqlite3` or `psql` would.

    Where PostgreSQL finds that it and the worker wait for each other's rows, it may pick this one
    to give up; then it is run again, as whoever sits there does.
    """
    if not url.startswith(SCHEME):
        for _ in range(PATIENT):
            with suppress(DeadlockDetected), psycopg.connect(url) as connection:
                for statement in statements:
                    connection.execute(statement.encode())
                return
        raise AssertionError("always a deadlock")
    with closing(sqlite3.connect(path_of(url))) as file, file:
        for statement in statements:
            file.execute(statement)


@asynccontextmanager
async def running_desk(folder: Path, url: str = "") -> AsyncIterator[Desk]:
    """A desk over a new database in `folder`, or the one at `url`."""
    url = url or new_url(folder)
    opened = open_database(url)
    try:
        async with running(
            load({"database_url": url, "files_url": str(folder / "files")}),
            opened,
            [BotSource(["-" * 32])],
        ) as services:
            yield Desk(services, url)
    finally:
        opened.close()
