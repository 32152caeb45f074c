"""Find out whether this process can serve requests, over the paths that requests take.

A check that takes another path reports a healthy server whose pages all fail: so it looks for a
session as every page does, and stores a delivery as the door does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from time import monotonic

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from deskwire.accounts import sessions
from deskwire.events import log
from deskwire.kit.clock import now
from deskwire.kit.db import Database, is_postgresql
from deskwire.realtime.hub import Hub
from deskwire.webhooks import deliveries

DATABASE_TIMEOUT = 2.0  # s for reading, and for writing
LOCK_TIMEOUT = "1500ms"  # PostgreSQL's side of it, or a blocked check would hold a writer's thread
WRITE_CHECK_INTERVAL = 5.0  # s; anyone may ask, and each check costs a commit
MAX_LOG_LAG = 1000  # events between the log and the streams; beyond that, something is stuck

logger = logging.getLogger(__name__)


class Readiness:
    """Check on request what keeps this process from working. Callers at one time share a check."""

    def __init__(
        self,
        db: Database,
        hub: Hub,
        broken_services: Collection[str],
        clock: Callable[[], float] = monotonic,
        notes: Sequence[str] = (),
    ) -> None:
        self._db = db
        self._hub = hub
        self._broken_services = broken_services
        self._clock = clock
        self.notes = notes  # what an operator should know although this process is ready
        self._check: asyncio.Task[list[str]] | None = None
        self._written_at: float | None = None  # when a write last succeeded; None: find out
        self._failed_writes = 0  # of the database, when a write last succeeded

    async def find_problems(self) -> list[str]:
        """Return what keeps this process from working, as sentences; empty if it is ready."""
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._find_problems())
        return await asyncio.shield(self._check)

    async def _find_problems(self) -> list[str]:
        problems = [
            f"{name} crashed and is being restarted" for name in sorted(self._broken_services)
        ]
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                head = await self._db.read(_read_as_pages_do)
        except Exception:
            logger.exception("the database did not answer")
            return [*problems, "the database does not answer"]
        if self._is_write_check_due():
            problems += await self._check_write()
        if head > self._hub.buffer.head + MAX_LOG_LAG:
            problems.append(f"streams are {head - self._hub.buffer.head} events behind the log")
        return problems

    def _is_write_check_due(self) -> bool:
        return (
            self._written_at is None
            or self._db.failed_writes != self._failed_writes
            or self._clock() >= self._written_at + WRITE_CHECK_INTERVAL
        )

    async def _check_write(self) -> list[str]:
        self._written_at, failed_before = None, self._db.failed_writes
        try:
            async with asyncio.timeout(DATABASE_TIMEOUT):
                await self._db.write(_write_as_requests_do)
        except TimeoutError:
            return ["the database accepts no writes: it is locked or overloaded"]
        except DBAPIError as error:
            return [f"the database accepts no writes: {error.orig}"]
        self._written_at, self._failed_writes = self._clock(), failed_before
        return []


def _read_as_pages_do(tx: Connection) -> int:
    """Look for a session, as every page does first; return the log's head."""
    sessions.find_with_person(tx, "", now())
    return log.read_head(tx)


def _write_as_requests_do(tx: Connection) -> None:
    """Write into the tables that the door and the actions write into, and delete it again."""
    if is_postgresql(tx):
        tx.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    deliveries.check_writable(tx)
    log.check_writable(tx)
