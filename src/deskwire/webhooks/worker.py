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

from deskwire.events.log import is_caused_by
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database, lock, part, ring
from deskwire.kit.errors import Refusal
from deskwire.kit.strict_json import parse_json
from deskwire.webhooks.deliveries import (
    BELL,
    State,
    fingerprint,
    read_one,
    read_pending,
    settle,
)
from deskwire.webhooks.source import Delivery, Source, Unfit

BATCH = 20  # deliveries in one transaction; the door waits for the same writer
FLOOR = 1.0  # s; looked at again even if no bell rang
MAX_WAIT = 30.0  # s between tries while the database refuses

logger = logging.getLogger(__name__)


class Worker:
    """Runs for the life of the process; `ring` tells it that something was kept."""

    def __init__(
        self,
        db: Database,
        sources: Iterable[Source],
        clock: Clock = now,
        before: Callable[[Connection], object] = lambda _: None,
    ) -> None:
        self._db = db
        self._before = before  # what is to be done first in each transaction
        self._sources = {source.name: source for source in sources}
        self._clock = clock
        self._bell = asyncio.Event()
        self.outcomes: Counter[tuple[str, State]] = Counter()  # (source, state), committed

    def ring(self) -> None:
        """A delivery was kept."""
        self._bell.set()

    async def run(self) -> None:
        """Work until cancelled."""
        failures = 0
        while True:
            try:
                worked = await self._db.write(self.work_off, BATCH)
                failures = 0
                self.outcomes.update(worked)
            except OperationalError as error:
                failures += 1
                logger.error("the database refused, deliveries wait: %s", error.orig)  # noqa: TRY400
                await asyncio.sleep(min(MAX_WAIT, 0.1 * 2**failures))
                continue
            if len(worked) < BATCH:  # that was all; what came since has rung
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(FLOOR):
                await self._bell.wait()
        except TimeoutError:
            return
        self._bell.clear()

    def work_off(self, tx: Connection, limit: int) -> list[tuple[str, State]]:
        """Handle up to `limit` pending deliveries; the source of each and what became of it.

        One worker at a time, over all processes: each sees what became of the ones before.
        """
        lock(tx, "worker")
        self._before(tx)
        worked: list[tuple[str, State]] = []
        for row in read_pending(tx, limit):
            state, reasons = self._understand(tx, row)
            settle(tx, row.id, state, reasons, self._clock())
            if reasons:
                logger.warning("delivery %s (%s) parked: %s", row.id, row.type, "; ".join(reasons))
            worked.append((row.source, state))
        if worked:
            ring(tx, BELL)
        return worked

    def _understand(self, tx: Connection, row: Row[Any]) -> tuple[State, list[str]]:
        try:
            with part(tx):
                return self._apply(tx, row), []
        except Unfit as unfit:
            return "parked", unfit.reasons
        except Refusal as refusal:
            return "parked", [str(refusal)]
        except OperationalError:
            raise
        except Exception as error:
            logger.exception("delivery %s broke", row.id)
            return "parked", [f"internal error: {type(error).__name__}; see the log"]

    def _apply(self, tx: Connection, row: Row[Any]) -> State:
        body = parse_json(row.body)
        if row.earlier is not None:
            earlier = json.loads(read_one(tx, row.earlier).body)
            if fingerprint(earlier["event"]) == fingerprint(body["event"]):
                return "repeat"
            raise Unfit(
                f"id {row.envelope_id} was used by delivery {row.earlier} for another event"
            )
        delivery = Delivery(row.id, row.signed_at, body)
        # A replay of what was done changes nothing.
        if row.attempts == 0 or not is_caused_by(tx, delivery.cause):
            self._sources[row.source].apply(tx, delivery)
        return "done"
