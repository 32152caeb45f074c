"""The keeper of files: after a day it removes uploads that were never sent, files of what was
deleted, and bytes no row names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from deskwire.kit.clock import DAY, Clock, now
from deskwire.kit.db import Database
from deskwire.kit.store import Store
from deskwire.tickets.files.attachments import delete_of_deleted, delete_unsent, has_any, read_named

EVERY = 6 * 3600  # s between two sweeps; a walk over 100,000 files takes a second or two
AGAIN = 60  # s until the next try where the database or the store refused
AT_ONCE = 200  # rows in one transaction, as in server/retention.py
UNSENT = DAY  # a draft is rarely older; also how long bytes may wait for their row

logger = logging.getLogger(__name__)


class Keeper:
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
                logger.error("files could not be swept, tried again in %d s: %r", AGAIN, error)  # noqa: TRY400
                await asyncio.sleep(AGAIN)
            else:
                await asyncio.sleep(EVERY)

    async def sweep(self) -> None:
        """Delete what is over now."""
        before, over, unnamed = self._clock() - UNSENT, 0, 0
        for delete in (delete_unsent, delete_of_deleted):
            while gone := await self._db.write(delete, before, AT_ONCE):
                over += gone
        async for keys in self._store.keys_before(before):
            unnamed += await self._delete_unnamed(keys)
        if over or unnamed:
            said = "files never sent, or of what was deleted: %d, bytes without a row: %d; deleted"
            logger.info(said, over, unnamed)

    async def _delete_unnamed(self, keys: Sequence[str]) -> int:
        """Delete those of `keys` whose file no row names; how many."""
        named = await self._db.read(read_named, sorted({_id_of(key) for key in keys}))
        lost = [key for key in keys if _id_of(key) not in named]
        # A new or a wrong database names no file at all: then the store is not ours to empty.
        if lost and not await self._db.read(has_any):
            return 0
        for key in lost:
            await self._store.delete(key)
        return len(lost)


def _id_of(key: str) -> str:
    return key.partition(".")[0]
