"""Watch for direct edits for the life of the process.

PostgreSQL announces a recorded change. SQLite announces nothing: a dedicated connection sees that
another one has committed (mostly our own), and one short query says whether a change was recorded.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import OperationalError

from deskwire.direct_edits.processor import prepare_edited_texts, record_edits
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.db import Database
from deskwire.kit.sqlite import SQLite
from deskwire.tickets.prepared_text import PreparedText

SQLITE_POLL_INTERVAL = 0.5  # s between polls of an SQLite file; each takes 40 µs of CPU time
POSTGRES_POLL_INTERVAL = 5.0  # s; also polls, in case an announcement was lost

logger = logging.getLogger(__name__)


class Watcher:
    """Run for the life of the process; `wake` says that there was a direct edit."""

    def __init__(self, db: Database, first_retry_delay: float = FIRST_DELAY) -> None:
        self._db = db
        self._wake_event = asyncio.Event()
        self._backoff = Backoff(self._wake_event, first=first_retry_delay)
        self._data_version = 0

    def wake(self) -> None:
        """Look for direct edits now."""
        self._wake_event.set()

    async def run(self) -> None:
        """Watch until cancelled, beginning with edits made while no process was running."""
        while True:
            try:
                self._wake_event.clear()
                await self.record_pending_edits()
                self._backoff.reset()
                await self._wait()
            except OperationalError as error:
                logger.error("the database failed; direct edits wait: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()

    async def record_pending_edits(self) -> None:
        """Record all direct edits that are not events yet."""
        texts: dict[str, PreparedText] | None = {}
        while (texts := await self._db.read(prepare_edited_texts, texts)) is not None:
            await self._db.write(record_edits, texts)

    async def _wait(self) -> None:
        if isinstance(self._db, SQLite):
            await self._wait_for_commit(self._db)
            return
        await wait_for_event(self._wake_event, POSTGRES_POLL_INTERVAL)

    async def _wait_for_commit(self, db: SQLite) -> None:
        version = self._data_version
        while version == self._data_version:
            await asyncio.sleep(SQLITE_POLL_INTERVAL)
            version = await db.read_data_version()
        self._data_version = version
