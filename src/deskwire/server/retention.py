"""Retention: what is over is deleted, a few rows at a time, so that nobody has to wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.accounts.purge import delete_expired
from deskwire.events.retention import read_floor, trim_log
from deskwire.kit import mail
from deskwire.kit.clock import DAY, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.realtime.buffer import EventBuffer
from deskwire.webhooks.deliveries import delete_settled

SWEEP_INTERVAL = 3600  # s between two sweeps
RETRY_DELAY = 60  # s until the next try where the database refused
BATCH_SIZE = 200  # rows in one transaction: 2 to 4 ms, for which a delivery may have to wait

DeleteBatch = Callable[[Connection, Millis, int], int]  # (tx, older than this, at most) → how many

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """For how many days things are kept; 0: for ever."""

    log: int
    deliveries: int


class Retention:
    """Runs for the life of the process: sweeps at once, then every hour."""

    def __init__(
        self, db: Database, buffer: EventBuffer, days: RetentionDays, clock: Clock = now
    ) -> None:
        self._db = db
        self._buffer = buffer
        self._days = days
        self._clock = clock

    async def run(self) -> None:
        """Sweep until cancelled."""
        while True:
            try:
                await self.sweep()
            except OperationalError as error:
                logger.error(  # noqa: TRY400 - its trace says no more
                    "nothing could be deleted, tried again in %d s: %s", RETRY_DELAY, error.orig
                )
                await asyncio.sleep(RETRY_DELAY)
            else:
                await asyncio.sleep(SWEEP_INTERVAL)

    async def sweep(self) -> None:
        """Delete what is over now."""
        await self._db.write(delete_expired, self._clock())
        await self._db.write(mail.delete_expired, self._clock())
        await self._delete_in_batches("entries of the log", trim_log, self._days.log)
        self._buffer.trim(await self._db.read(read_floor))  # others may have trimmed it too
        await self._delete_in_batches("settled deliveries", delete_settled, self._days.deliveries)

    async def _delete_in_batches(self, label: str, delete_batch: DeleteBatch, days: int) -> None:
        """Part by part: whatever else is to be written comes between."""
        if not days:
            return
        before, total = self._clock() - days * DAY, 0
        while gone := await self._db.write(delete_batch, before, BATCH_SIZE):
            total += gone
        if total:
            plural = "" if days == 1 else "s"
            logger.info("%s older than %d day%s were deleted: %d", label, days, plural, total)
