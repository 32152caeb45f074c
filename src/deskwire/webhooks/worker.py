"""The worker: works out what kept deliveries mean, in the order they arrived.

One transaction for a few deliveries, a savepoint for each: what one of them breaks is undone and
parked with its reasons, and the others go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Row
from sqlalchemy.exc import OperationalError

from deskwire.events.log import has_caused_events
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database, acquire_advisory_lock, savepoint, wake
from deskwire.kit.errors import Refusal
from deskwire.kit.strict_json import parse_json
from deskwire.webhooks.deliveries import (
    DELIVERIES_TOPIC,
    DeliveryState,
    hash_event,
    read_delivery,
    read_pending,
    record_outcome,
)
from deskwire.webhooks.source import Delivery, Source, UnprocessableDelivery

BATCH_SIZE = 20  # deliveries in one transaction; the door waits for the same writer
POLL_INTERVAL = 1.0  # s; looked at again even if no bell rang
MAX_RETRY_DELAY = 30.0  # s between tries while the database refuses

logger = logging.getLogger(__name__)


class Worker:
    """Runs for the life of the process; `ring` tells it that something was kept."""

    def __init__(
        self,
        db: Database,
        sources: Iterable[Source],
        clock: Clock = now,
        before_batch: Callable[[Connection], object] = lambda _: None,
    ) -> None:
        self._db = db
        self._before_batch = before_batch  # what is to be done first in each transaction
        self._sources = {source.name: source for source in sources}
        self._clock = clock
        self._wake_event = asyncio.Event()
        self.outcomes: Counter[tuple[str, DeliveryState]] = Counter()  # (source, state), committed

    def wake(self) -> None:
        """A delivery was kept."""
        self._wake_event.set()

    async def run(self) -> None:
        """Work until cancelled."""
        failures = 0
        while True:
            try:
                worked = await self._db.write(self.apply_pending, BATCH_SIZE)
                failures = 0
                self.outcomes.update(worked)
            except OperationalError as error:
                failures += 1
                logger.error("the database refused, deliveries wait: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(min(MAX_RETRY_DELAY, 0.1 * 2**failures))
                continue
            if len(worked) < BATCH_SIZE:  # that was all; what came since has rung
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(POLL_INTERVAL):
                await self._wake_event.wait()
        except TimeoutError:
            return
        self._wake_event.clear()

    def apply_pending(self, tx: Connection, limit: int) -> list[tuple[str, DeliveryState]]:
        """Handle up to `limit` pending deliveries; the source of each and what became of it.

        One worker at a time, over all processes: each sees what became of the ones before.
        """
        acquire_advisory_lock(tx, "worker")
        self._before_batch(tx)
        worked: list[tuple[str, DeliveryState]] = []
        for row in read_pending(tx, limit):
            state, reasons = self._apply_or_park(tx, row)
            record_outcome(tx, row.id, state, reasons, self._clock())
            if reasons:
                logger.warning("delivery %s (%s) parked: %s", row.id, row.type, "; ".join(reasons))
            worked.append((row.source, state))
        if worked:
            wake(tx, DELIVERIES_TOPIC)
        return worked

    def _apply_or_park(self, tx: Connection, row: Row[Any]) -> tuple[DeliveryState, list[str]]:
        try:
            with savepoint(tx):
                return self._apply(tx, row), []
        except UnprocessableDelivery as unfit:
            return "parked", unfit.reasons
        except Refusal as refusal:
            return "parked", [str(refusal)]
        except OperationalError:
            raise
        except Exception as error:
            logger.exception("delivery %s broke", row.id)
            return "parked", [f"internal error: {type(error).__name__}; see the log"]

    def _apply(self, tx: Connection, row: Row[Any]) -> DeliveryState:
        body = parse_json(row.body)
        if row.earlier is not None:
            earlier = json.loads(read_delivery(tx, row.earlier).body)
            if hash_event(earlier["event"]) == hash_event(body["event"]):
                return "repeat"
            raise UnprocessableDelivery(
                f"id {row.envelope_id} was used by delivery {row.earlier} for another event"
            )
        delivery = Delivery(row.id, row.signed_at, body)
        # A replay of what was done changes nothing.
        if row.attempts == 0 or not has_caused_events(tx, delivery.cause):
            self._sources[row.source].apply(tx, delivery)
        return "done"
