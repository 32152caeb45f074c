"""Watching for edits by hand, for the life of the process.

PostgreSQL announces that there is a note. SQLite announces nothing: a connection of its own sees
that another one has committed, mostly ours, and one short statement says whether there is a note.
"""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import OperationalError

from deskwire.direct_edits.change_log import is_anything
from deskwire.direct_edits.processor import work_off
from deskwire.kit.db import Database
from deskwire.kit.sqlite import SQLite

EVERY = 0.5  # s between two looks at an SQLite file: 40 us of one processor
FLOOR = 5.0  # s; looked at again even if PostgreSQL announced nothing
AGAIN = 5.0  # s until the next try where the database refused

logger = logging.getLogger(__name__)


class Watch:
    """Tells of edits by hand; `ring` says that there is one."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._bell = asyncio.Event()
        self._version = 0

    def ring(self) -> None:
        """Somebody has changed something by hand."""
        self._bell.set()

    async def run(self) -> None:
        """Watch until cancelled; what was changed while nobody watched comes first."""
        while True:
            try:
                while await self._db.read(is_anything):
                    await self._db.write(work_off)
                await self._wait()
            except OperationalError as error:
                logger.error("edits by hand wait, the database refused: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(AGAIN)

    async def _wait(self) -> None:
        if isinstance(self._db, SQLite):
            await self._wait_for_commit(self._db)
            return
        try:
            async with asyncio.timeout(FLOOR):
                await self._bell.wait()
        except TimeoutError:
            return
        self._bell.clear()

    async def _wait_for_commit(self, db: SQLite) -> None:
        version = self._version
        while version == self._version:
            await asyncio.sleep(EVERY)
            version = await db.read_version()
        self._version = version
