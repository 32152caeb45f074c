"""Process stored deliveries in the order of their arrival.

A transaction covers a few deliveries, with a savepoint for each: a delivery that fails is rolled
back and parked with its reasons, and the others are not affected.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.events.log import has_caused_events
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database, acquire_advisory_lock, savepoint, wake
from deskwire.kit.errors import Refusal
from deskwire.kit.strict_json import parse_json
from deskwire.webhooks.deliveries import (
    DELIVERIES_TOPIC,
    DeliveryState,
    PendingDeliveryRow,
    hash_event,
    read_event_hash,
    read_pending,
    record_outcome,
)
from deskwire.webhooks.source import Delivery, Source, UnprocessableDelivery

BATCH_SIZE = 20  # deliveries per transaction; the door waits for the same writer
POLL_INTERVAL = 1.0  # s; also polls, in case a wake-up was lost

logger = logging.getLogger(__name__)


class Worker:
    """Run for the life of the process; `wake` says that a delivery was stored."""

    def __init__(
        self,
        db: Database,
        sources: Iterable[Source],
        clock: Clock = now,
        before_batch: Callable[[Connection], object] = lambda _: None,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db = db
        # Run first in each transaction; as long as it returns True, deliveries wait.
        self._before_batch = before_batch
        self._must_continue = False
        self._sources = {source.name: source for source in sources}
        self._clock = clock
        self._wake_event = asyncio.Event()
        self._backoff = Backoff(self._wake_event, first=first_retry_delay)
        self.outcomes: Counter[tuple[str, DeliveryState]] = Counter()  # (source, state), committed

    def wake(self) -> None:
        """Look for pending deliveries now."""
        self._wake_event.set()

    async def run(self) -> None:
        """Process deliveries until cancelled."""
        while True:
            self._wake_event.clear()
            try:
                outcomes = await self._db.write(self.apply_pending, BATCH_SIZE)
                self._backoff.reset()
                self.outcomes.update(outcomes)
            except OperationalError as error:
                logger.error("the database failed; deliveries wait: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()
                continue
            is_idle = len(outcomes) < BATCH_SIZE and not self._must_continue
            if is_idle:  # none is left, and later ones wake the worker
                await wait_for_event(self._wake_event, POLL_INTERVAL)

    def apply_pending(self, tx: Connection, limit: int) -> list[tuple[str, DeliveryState]]:
        """Process up to `limit` pending deliveries; return each one's source and new state.

        An advisory lock admits one worker at a time over all processes, so that each delivery sees
        the effects of the ones before it.
        """
        acquire_advisory_lock(tx, "worker")
        self._must_continue = bool(self._before_batch(tx))
        if self._must_continue:
            return []
        outcomes: list[tuple[str, DeliveryState]] = []
        for row in read_pending(tx, limit):
            state, reasons = self._apply_or_park(tx, row)
            record_outcome(tx, row.id, state, reasons, self._clock())
            if reasons:
                logger.warning("delivery %s (%s) parked: %s", row.id, row.type, "; ".join(reasons))
            outcomes.append((row.source, state))
        if outcomes:
            wake(tx, DELIVERIES_TOPIC)
        return outcomes

    def _apply_or_park(
        self, tx: Connection, row: PendingDeliveryRow
    ) -> tuple[DeliveryState, list[str]]:
        try:
            with savepoint(tx):
                return self._apply(tx, row), []
        except UnprocessableDelivery as error:
            return "parked", error.reasons
        except Refusal as refusal:
            return "parked", [str(refusal)]
        except OperationalError:
            raise
        except Exception as error:
            logger.exception("processing delivery %s failed", row.id)
            return "parked", [f"internal error: {type(error).__name__}; see the log"]

    def _apply(self, tx: Connection, row: PendingDeliveryRow) -> DeliveryState:
        body = parse_json(row.body)
        if row.earlier is not None:
            if read_event_hash(tx, row.earlier) == hash_event(body["event"]):
                return "repeat"
            raise UnprocessableDelivery(
                f"id {row.envelope_id} was used by delivery {row.earlier} for another event"
            )
        delivery = Delivery(row.id, row.signed_at, body)
        # Replaying a delivery that was applied changes nothing.
        if row.attempts == 0 or not has_caused_events(tx, delivery.cause):
            self._sources[row.source].apply(tx, delivery)
        return "done"
