"""Process stored deliveries in the order of their arrival.

A reader validates a few deliveries first and renders their texts. A transaction then applies as
many of them as its time allows, with a savepoint for each: a delivery that fails is rolled back and
parked with its reasons, and the others are not affected.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from deskwire.events.log import has_caused_events
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database, acquire_advisory_lock, is_postgresql, savepoint, wake
from deskwire.kit.errors import Refusal
from deskwire.kit.strict_json import parse_json
from deskwire.webhooks.body_erasure import erase_bodies, hash_meaning, read_meaning_hash
from deskwire.webhooks.deliveries import (
    DELIVERIES_TOPIC,
    DeliveryState,
    PendingDeliveryRow,
    read_pending,
    record_outcome,
)
from deskwire.webhooks.source import Delivery, Source, UnprocessableDelivery

BATCH_SIZE = 20  # deliveries that are read and prepared at once
BATCH_TIME = 0.01  # s after which a transaction begins no other delivery: the door waits for it
# The same on PostgreSQL, where the door writes meanwhile, and only what is written about the same
# tickets waits. A commit costs as much as two deliveries there: its events are numbered and read.
POSTGRESQL_BATCH_TIME = 0.1  # s
POLL_INTERVAL = 1.0  # s; also polls, in case a wake-up was lost

logger = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """A delivery that was prepared outside the transaction that applies it.

    `content` is what its source made of it, or the exception that it, or its body, led to.
    """

    delivery: Delivery | None  # None: the body is not JSON
    content: Any


class Worker:
    """Run for the life of the process; `wake` says that a delivery was stored."""

    def __init__(
        self,
        db: Database,
        sources: Iterable[Source],
        clock: Clock = now,
        *,
        is_blocked: Callable[[Connection], bool] = lambda _: False,
        unblock: Callable[[], Awaitable[object]] | None = None,
        timer: Callable[[], float] = perf_counter,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db = db
        # Asked first in each transaction: while it says so, no delivery is applied, and `unblock`
        # is awaited between two transactions.
        self._is_blocked, self._unblock = is_blocked, unblock
        self._timer = timer
        self._prepared: dict[int, Prepared] = {}  # by delivery id, in order; not applied yet
        self._may_be_more = False  # pending when `_prepared` was read, and not in it
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
                is_done = await self._apply_batch()
                self._backoff.reset()
            except OperationalError as error:
                logger.error("the database failed; deliveries wait: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()
                continue
            if is_done:  # later ones wake the worker
                await wait_for_event(self._wake_event, POLL_INTERVAL)

    async def _apply_batch(self) -> bool:
        """Apply some deliveries; return whether none was left when they were read."""
        if not self._prepared:
            self._prepared = await self._db.read(self.prepare_pending, BATCH_SIZE)
            self._may_be_more = len(self._prepared) == BATCH_SIZE
        prepared = self._prepared
        if not prepared:
            return True
        outcomes = await self._db.write(self._apply_unless_blocked, prepared)
        if outcomes is None:
            if self._unblock is not None:
                await self._unblock()
            return False
        self.outcomes.update(outcomes)
        # None applied: another process was faster, so what is pending must be read again.
        self._prepared = dict(list(prepared.items())[len(outcomes) :]) if outcomes else {}
        return len(outcomes) == len(prepared) and not self._may_be_more

    def _apply_unless_blocked(
        self, tx: Connection, prepared: Mapping[int, Prepared]
    ) -> list[tuple[str, DeliveryState]] | None:
        acquire_advisory_lock(tx, "worker")
        return None if self._is_blocked(tx) else self.apply_pending(tx, BATCH_SIZE, prepared)

    def apply_pending(
        self, tx: Connection, limit: int, prepared: Mapping[int, Prepared] | None = None
    ) -> list[tuple[str, DeliveryState]]:
        """Process up to `limit` pending deliveries; return each one's source and new state.

        `prepared` are deliveries by their id. The first that is not among them ends the batch, and
        none begins after BATCH_TIME. None: each is prepared here, however long it takes.

        An advisory lock admits one worker at a time over all processes, so that each delivery sees
        the effects of the ones before it.
        """
        acquire_advisory_lock(tx, "worker")
        ends_at = self._timer() + (POSTGRESQL_BATCH_TIME if is_postgresql(tx) else BATCH_TIME)
        outcomes: list[tuple[str, DeliveryState]] = []
        for row in read_pending(tx, limit if prepared is None else len(prepared)):
            ready = self._prepare(row) if prepared is None else prepared.get(row.id)
            if ready is None:  # on PostgreSQL, it became visible after the others were read
                break
            state, reasons = self._apply_or_park(tx, row, ready)
            record_outcome(tx, row.id, state, reasons, self._clock())
            if self._is_to_be_erased(tx, row, state):
                erase_bodies(tx, [row.id], self._sources)
            if reasons:
                logger.warning("delivery %s (%s) parked: %s", row.id, row.type, "; ".join(reasons))
            outcomes.append((row.source, state))
            if prepared is not None and self._timer() >= ends_at:
                break
        if outcomes:
            wake(tx, DELIVERIES_TOPIC)
        return outcomes

    def prepare_pending(self, tx: Connection, limit: int) -> dict[int, Prepared]:
        """Prepare up to `limit` pending deliveries for `apply_pending`."""
        return {row.id: self._prepare(row) for row in read_pending(tx, limit)}

    def _prepare(self, row: PendingDeliveryRow) -> Prepared:
        """Do what needs no transaction. What the delivery is refused for is raised later."""
        try:
            delivery = Delivery(row.id, row.signed_at, parse_json(row.body))
        except Exception as error:
            return Prepared(None, error)
        try:
            return Prepared(delivery, self._sources[row.source].prepare(delivery))
        except Exception as error:
            return Prepared(delivery, error)

    def _apply_or_park(
        self, tx: Connection, row: PendingDeliveryRow, prepared: Prepared
    ) -> tuple[DeliveryState, list[str]]:
        try:
            with savepoint(tx):
                return self._apply(tx, row, prepared), []
        except UnprocessableDelivery as error:
            return "parked", error.reasons
        except Refusal as refusal:
            return "parked", [str(refusal)]
        except OperationalError:
            raise
        except Exception as error:
            logger.exception("processing delivery %s failed", row.id)
            return "parked", [f"internal error: {type(error).__name__}; see the log"]

    def _apply(self, tx: Connection, row: PendingDeliveryRow, prepared: Prepared) -> DeliveryState:
        delivery, content = prepared
        if delivery is None:
            raise content
        if row.earlier is not None:
            meaning = hash_meaning(self._sources[row.source].meaning(delivery.body))
            if read_meaning_hash(tx, row.earlier, self._sources) == meaning:
                return "repeat"
            raise UnprocessableDelivery(
                f"id {row.envelope_id} was used by delivery {row.earlier} for another event"
            )
        # Replaying a delivery that was applied changes nothing.
        if row.attempts == 0 or not has_caused_events(tx, delivery.cause):
            if isinstance(content, Exception):
                raise content
            if not self._sources[row.source].apply(tx, delivery, content):
                return "repeat"
        return "done"

    def _is_to_be_erased(
        self, tx: Connection, row: PendingDeliveryRow, state: DeliveryState
    ) -> bool:
        """Whether nothing else will erase the body: no entry of the log leads to it."""
        if state == "parked" and (source := self._sources.get(row.source)) is not None:
            return source.is_about_deleted_ticket(tx, row.body)
        return state == "repeat"
