"""Retention: what is over is deleted, a few rows at a time, so that nobody has to wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.accounts.purge import purge
from deskwire.events.retention import read_floor, trim
from deskwire.kit import mail
from deskwire.kit.clock import DAY, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.realtime.buffer import Window
from deskwire.webhooks.deliveries import delete_settled

EVERY = 3600  # s between two sweeps
AGAIN = 60  # s until the next try where the database refused
AT_ONCE = 200  # rows in one transaction: 2 to 4 ms, for which a delivery may have to wait

Delete = Callable[[Connection, Millis, int], int]  # (tx, older than this, at most) → how many

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """For how many days things are kept; 0: for ever."""

    log: int
    deliveries: int


class Retention:
    """Runs for the life of the process: sweeps at once, then every hour."""

    def __init__(self, db: Database, window: Window, keep: Keep, clock: Clock = now) -> None:
        self._db = db
        self._window = window
        self._keep = keep
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except OperationalError as error:
                logger.error("nothing could be deleted, tried again in %d s: %s", AGAIN, error.orig)  # noqa: TRY400
                await asyncio.sleep(AGAIN)
            else:
                await asyncio.sleep(EVERY)

    async def sweep(self) -> None:
        """Delete what is over now."""
        await self._db.write(purge, self._clock())
        await self._db.write(mail.purge, self._clock())
        await self._delete("entries of the log", trim, self._keep.log)
        self._window.trim(await self._db.read(read_floor))  # others may have trimmed it too
        await self._delete("settled deliveries", delete_settled, self._keep.deliveries)

    async def _delete(self, what: str, delete: Delete, days: int) -> None:
        """Part by part: whatever else is to be written comes between."""
        if not days:
            return
        before, total = self._clock() - days * DAY, 0
        while gone := await self._db.write(delete, before, AT_ONCE):
            total += gone
        if total:
            plural = "" if days == 1 else "s"
            logger.info("%s older than %d day%s were deleted: %d", what, days, plural, total)
