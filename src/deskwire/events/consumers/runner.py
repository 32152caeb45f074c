"""Run the consumers of a process: plan what was appended, in turns, until all have caught up."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from itertools import chain

from sqlalchemy.exc import InterfaceError, OperationalError

from deskwire.events.consumers.planning import plan_batch
from deskwire.events.consumers.store import Consumer, find_consumers_behind, register_consumers
from deskwire.events.log import Entry
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database

# For what no one was woken for: retries that are due, events that other processes appended, and the
# positions of consumers that had nothing to plan.
POLL_INTERVAL = 1.0  # s

logger = logging.getLogger(__name__)


class ConsumerRunner:
    """Plan for all consumers for the life of the process; `on_entries` wakes it."""

    def __init__(
        self,
        db: Database,
        consumers: Sequence[Consumer],
        clock: Clock = now,
        *,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db = db
        self._consumers = {consumer.name: consumer for consumer in consumers}
        self._clock = clock
        self._types = frozenset(chain.from_iterable(each.types for each in consumers))
        self._wake_event = asyncio.Event()
        self._backoff = Backoff(self._wake_event, first=first_retry_delay)
        self.planned: Counter[str] = Counter()  # events by consumer, committed by this process
        self.failed: Counter[str] = Counter()  # tries that `plan` refused, by consumer

    def on_entries(self, entries: Sequence[Entry]) -> None:
        """Plan at once if a consumer wants one of these entries."""
        if any(each.type in self._types for each in entries):
            self._wake_event.set()

    def wake(self) -> None:
        """Look for events to plan now."""
        self._wake_event.set()

    async def run(self) -> None:
        """Plan until cancelled."""
        is_registered = False
        while True:
            self._wake_event.clear()
            try:
                if not is_registered:
                    await self._db.write(register_consumers, self._consumers)
                    is_registered = True
                await self.catch_up()
                self._backoff.reset()
            except (OperationalError, InterfaceError) as error:
                logger.error("the database failed; consumers wait: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()
                continue
            await wait_for_event(self._wake_event, POLL_INTERVAL)

    async def catch_up(self) -> None:
        """Plan until no consumer has anything to do; they take turns, a batch each."""
        waiting = await self._db.read(find_consumers_behind, self._consumers, self._clock())
        while waiting:
            waiting = [name for name in waiting if await self._plan_batch(name)]

    async def _plan_batch(self, name: str) -> bool:
        """Plan one batch; return whether there is more to do here."""
        progress = await self._db.write(plan_batch, self._consumers[name], self._clock())
        if progress is None:  # another process is at it
            return False
        self.planned[name] += progress.planned
        self.failed[name] += progress.failed
        return not progress.is_caught_up
