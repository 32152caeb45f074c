"""Remove, after a day, uploads never sent, files of deleted tickets, and bytes without a row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from deskwire.kit.clock import DAY, Clock, now
from deskwire.kit.db import Database
from deskwire.kit.errors import Unavailable
from deskwire.kit.store import Store
from deskwire.tickets.files.attachments import (
    delete_file_rows_of_deleted,
    delete_unsent_file_rows,
    has_any_file,
    read_referenced_ids,
)

INTERVAL = 6 * 3600  # s between two sweeps; listing 100,000 files takes a second or two
RETRY_DELAY = 60  # s until the next try after the database or the store failed
BATCH_SIZE = 200  # rows in one transaction, as in server/retention.py
UNSENT_RETENTION = DAY  # ms; drafts are rarely older; also how long bytes may wait for their row

logger = logging.getLogger(__name__)


class FileCleanup:
    """Sweep at start and then every few hours, for the life of the process."""

    def __init__(self, db: Database, store: Store, clock: Clock = now) -> None:
        self._db = db
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception as error:  # none may end the service
                reason = error.reason if isinstance(error, Unavailable) else repr(error)
                logger.error(  # noqa: TRY400 - the traceback adds nothing
                    "file cleanup failed, retrying in %d s: %s", RETRY_DELAY, reason
                )
                await asyncio.sleep(RETRY_DELAY)
            else:
                await asyncio.sleep(INTERVAL)

    async def sweep(self) -> None:
        """Delete what has expired by now."""
        before, expired, unreferenced = self._clock() - UNSENT_RETENTION, 0, 0
        for delete in (delete_unsent_file_rows, delete_file_rows_of_deleted):
            while deleted := await self._db.write(delete, before, BATCH_SIZE):
                expired += deleted
        async for keys in self._store.list_keys_before(before):
            unreferenced += await self._delete_unreferenced(keys)
        if expired or unreferenced:
            message = "deleted files never sent or of deleted tickets: %d, bytes without a row: %d"
            logger.info(message, expired, unreferenced)

    async def _delete_unreferenced(self, keys: Sequence[str]) -> int:
        """Delete those of `keys` whose file has no row; return how many."""
        referenced = await self._db.read(
            read_referenced_ids, sorted({_parse_file_id(key) for key in keys})
        )
        orphans = [key for key in keys if _parse_file_id(key) not in referenced]
        # A database without any file is new, or the wrong one: then the store must not be emptied.
        if orphans and not await self._db.read(has_any_file):
            return 0
        for key in orphans:
            await self._store.delete(key)
        return len(orphans)


def _parse_file_id(key: str) -> str:
    return key.partition(".")[0]
