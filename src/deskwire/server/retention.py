"""Delete expired rows, in batches small enough that no writer has to wait long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.accounts import idempotency
from deskwire.accounts.purge import delete_expired
from deskwire.dispatches import admin as dispatches
from deskwire.events.retention import read_floor, trim_log
from deskwire.kit.clock import DAY, Clock, Millis, now
from deskwire.kit.db import Database
from deskwire.realtime.buffer import EventBuffer
from deskwire.webhooks.deliveries import delete_settled

SWEEP_INTERVAL = 3600  # s between two sweeps
RETRY_DELAY = 60  # s to wait after a database error
BATCH_SIZE = 200  # rows per transaction: 2 to 4 ms, for which a delivery may have to wait

DeleteBatch = Callable[[Connection, Millis, int], int]  # (tx, older than, at most) → deleted rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetentionDays:
    """For how many days log entries and deliveries are kept; 0 keeps them forever."""

    log: int
    deliveries: int


class Retention:
    """Delete expired rows at start and then every hour, for the life of the process."""

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
                logger.error(  # noqa: TRY400 - the traceback adds nothing
                    "deleting expired rows failed, retrying in %d s: %s", RETRY_DELAY, error.orig
                )
                await asyncio.sleep(RETRY_DELAY)
            else:
                await asyncio.sleep(SWEEP_INTERVAL)

    async def sweep(self) -> None:
        """Delete everything that has expired."""
        await self._db.write(delete_expired, self._clock())
        await self._delete_in_batches("log entries", trim_log, self._days.log)
        self._buffer.trim(await self._db.read(read_floor))  # another process may have trimmed it
        await self._delete_in_batches("settled deliveries", delete_settled, self._days.deliveries)
        days = dispatches.RETENTION // DAY
        await self._delete_in_batches("finished dispatches", dispatches.delete_finished, days)
        days = idempotency.RETENTION // DAY
        await self._delete_in_batches("idempotency keys", idempotency.delete_old_calls, days)

    async def _delete_in_batches(self, label: str, delete_batch: DeleteBatch, days: int) -> None:
        # One transaction per batch, so that other writes get their turn in between.
        if not days:
            return
        cutoff, total = self._clock() - days * DAY, 0
        while deleted := await self._db.write(delete_batch, cutoff, BATCH_SIZE):
            total += deleted
        if total:
            plural = "" if days == 1 else "s"
            logger.info("deleted %d %s older than %d day%s", total, label, days, plural)
