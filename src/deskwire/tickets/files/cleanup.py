"""The keeper of files: after a day it removes uploads that were never sent, files of what was
deleted, and bytes no row names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from deskwire.kit.clock import DAY, Clock, now
from deskwire.kit.db import Database
from deskwire.kit.store import Store
from deskwire.tickets.files.attachments import (
    delete_file_rows_of_deleted,
    delete_unsent_file_rows,
    has_any_file,
    read_referenced_ids,
)

INTERVAL = 6 * 3600  # s between two sweeps; a walk over 100,000 files takes a second or two
RETRY_DELAY = 60  # s until the next try where the database or the store refused
BATCH_SIZE = 200  # rows in one transaction, as in server/retention.py
UNSENT_RETENTION = DAY  # a draft is rarely older; also how long bytes may wait for their row

logger = logging.getLogger(__name__)


class FileCleanup:
    """Runs for the life of the process: sweeps at once, then every few hours."""

    def __init__(self, db: Database, store: Store, clock: Clock = now) -> None:
        self._db = db
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except Exception as error:  # each store fails in its own ways; none is a crash
                logger.error(  # noqa: TRY400 - its trace says no more
                    "files could not be swept, tried again in %d s: %r", RETRY_DELAY, error
                )
                await asyncio.sleep(RETRY_DELAY)
            else:
                await asyncio.sleep(INTERVAL)

    async def sweep(self) -> None:
        """Delete what is over now."""
        before, over, unnamed = self._clock() - UNSENT_RETENTION, 0, 0
        for delete in (delete_unsent_file_rows, delete_file_rows_of_deleted):
            while gone := await self._db.write(delete, before, BATCH_SIZE):
                over += gone
        async for keys in self._store.list_keys_before(before):
            unnamed += await self._delete_unreferenced(keys)
        if over or unnamed:
            said = "files never sent, or of what was deleted: %d, bytes without a row: %d; deleted"
            logger.info(said, over, unnamed)

    async def _delete_unreferenced(self, keys: Sequence[str]) -> int:
        """Delete those of `keys` whose file no row names; how many."""
        named = await self._db.read(
            read_referenced_ids, sorted({_parse_file_id(key) for key in keys})
        )
        lost = [key for key in keys if _parse_file_id(key) not in named]
        # A new or a wrong database names no file at all: then the store is not ours to empty.
        if lost and not await self._db.read(has_any_file):
            return 0
        for key in lost:
            await self._store.delete(key)
        return len(lost)


def _parse_file_id(key: str) -> str:
    return key.partition(".")[0]
