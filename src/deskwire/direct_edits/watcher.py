"""Watching for edits by hand, for the life of the process.

PostgreSQL announces that there is a note. SQLite announces nothing: a connection of its own sees
that another one has committed, mostly ours, and one short statement says whether there is a note.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import OperationalError

from deskwire.direct_edits.change_log import has_pending_changes
from deskwire.direct_edits.processor import record_edits
from deskwire.kit.db import Database
from deskwire.kit.sqlite import SQLite

SQLITE_POLL_INTERVAL = 0.5  # s between two looks at an SQLite file: 40 us of one processor
POSTGRES_POLL_INTERVAL = 5.0  # s; looked at again even if PostgreSQL announced nothing
RETRY_DELAY = 5.0  # s until the next try where the database refused

logger = logging.getLogger(__name__)


class Watcher:
    """Tells of edits by hand; `ring` says that there is one."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._wake_event = asyncio.Event()
        self._data_version = 0

    def wake(self) -> None:
        """Somebody has changed something by hand."""
        self._wake_event.set()

    async def run(self) -> None:
        """Watch until cancelled; what was changed while nobody watched comes first."""
        while True:
            try:
                while await self._db.read(has_pending_changes):
                    await self._db.write(record_edits)
                await self._wait()
            except OperationalError as error:
                logger.error("edits by hand wait, the database refused: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(RETRY_DELAY)

    async def _wait(self) -> None:
        if isinstance(self._db, SQLite):
            await self._wait_for_commit(self._db)
            return
        try:
            async with asyncio.timeout(POSTGRES_POLL_INTERVAL):
                await self._wake_event.wait()
        except TimeoutError:
            return
        self._wake_event.clear()

    async def _wait_for_commit(self, db: SQLite) -> None:
        version = self._data_version
        while version == self._data_version:
            await asyncio.sleep(SQLITE_POLL_INTERVAL)
            version = await db.read_data_version()
        self._data_version = version
