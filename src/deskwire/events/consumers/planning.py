"""Plan the next events of a consumer, in one short transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from time import perf_counter
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError

from deskwire.events.consumers.store import (
    CONSUMERS_CHANGED_TOPIC,
    IS_FIRST_OF_TICKET,
    Consumer,
    ConsumerFailureRow,
    ConsumerRow,
    LoggedEvent,
    consumers,
    failures,
)
from deskwire.events.log import LogRow, log, read_epoch, read_head, read_redactions
from deskwire.events.redaction import ERASED, Redactions
from deskwire.events.retention import read_floor
from deskwire.kit.clock import HOUR, SECOND, Millis
from deskwire.kit.db import savepoint, wake
from deskwire.kit.rows import fetch_all, fetch_first

BATCH_SIZE = 100  # events that one transaction reads
CHUNK_SIZE = 10  # events planned between two looks at the clock
SLICE_SECONDS = 0.005  # s after which no further chunk is planned; with the last one at most 10 ms
RETRIES_PER_BATCH = 20  # events set aside that one transaction plans again
FIRST_RETRY_DELAY = 5 * SECOND  # ms; doubles with each try
LONGEST_RETRY_DELAY = HOUR  # ms

logger = logging.getLogger(__name__)


class Progress(NamedTuple):
    """What one transaction did for a consumer."""

    planned: int  # events that `plan` accepted
    failed: int  # events that `plan` refused
    is_caught_up: bool  # whether nothing is left to do now


def plan_batch(
    tx: Connection, consumer: Consumer, at: Millis, timer: Callable[[], float] = perf_counter
) -> Progress | None:
    """Plan the next events of a consumer, first those whose retry is due, for SLICE_SECONDS.

    Returns None if another process holds the consumer, or it is stopped or unknown. Raises the
    database's own errors: the whole batch is then undone, and counts against no event.
    """
    row = fetch_first(tx, _CLAIM, ConsumerRow, {"claimed": consumer.name})
    if row is None or row.stopped:
        return None
    floor, head = read_floor(tx), read_head(tx)
    start = max(floor, min(row.position, head))  # above the head: the database went back in time
    batch = _Batch(tx, consumer, at, timer)
    batch.lost += max(0, floor - row.position)
    is_caught_up = batch.retry_due_failures()
    reached, is_last = batch.plan_events_after(start, head)
    _record_progress(tx, row, batch, reached)
    return Progress(batch.planned, batch.failed, is_caught_up and is_last)


_CLAIM = (
    select(consumers)
    .where(consumers.c.name == bindparam("claimed"))
    .with_for_update(skip_locked=True)
)


class _Batch:
    """The work on one consumer in one transaction."""

    def __init__(
        self, tx: Connection, consumer: Consumer, at: Millis, timer: Callable[[], float]
    ) -> None:
        self._tx, self._consumer, self._timer = tx, consumer, timer
        self.at = at
        self._deadline = timer() + SLICE_SECONDS
        self.planned = self.failed = self.lost = 0
        self.last_error: str | None = None

    @property
    def _is_over(self) -> bool:
        return self._timer() >= self._deadline

    def retry_due_failures(self) -> bool:
        """Plan again the events set aside that are due; return whether none of them is left."""
        due = {"of": self._consumer.name, "by": self.at, "at_most": RETRIES_PER_BATCH}
        rows = fetch_all(self._tx, _DUE_FAILURES, ConsumerFailureRow, due)
        has_released = False  # an event that waited behind another may be due now
        for number, row in enumerate(rows):
            if number and self._is_over:
                return False
            if self._retry(row):
                has_released = has_released or row.ticket is not None
        return len(rows) < RETRIES_PER_BATCH and not has_released

    def plan_events_after(self, start: int, head: int) -> tuple[int, bool]:
        """Plan events in order; return the position reached, and whether it is the last.

        Plans one chunk at least: on a busy machine, reading alone may take all the time.
        """
        events, reached = _read_events_after(self._tx, start), start
        for chunk in _split(events):
            if self._is_over and reached > start:
                return reached, False
            self._plan_chunk(chunk)
            reached = chunk[-1].position
        return reached, reached >= head or len(events) < BATCH_SIZE

    def _plan_chunk(self, chunk: Sequence[LoggedEvent]) -> None:
        wanted = [each for each in chunk if self._is_wanted(each)]
        if not wanted:
            return
        blocked = _read_blocked_tickets(self._tx, self._consumer.name, wanted)
        is_any_blocked = any(each.ticket in blocked for each in wanted)
        if not is_any_blocked and self._plan_and_find_error(wanted) is None:
            self.planned += len(wanted)
            return
        for each in wanted:  # one at a time, to set aside only what has to be
            if each.ticket in blocked:
                self._set_aside(each, None)
            elif (error := self._plan_and_find_error([each])) is None:
                self.planned += 1
            else:
                self._set_aside(each, error)
                blocked |= {each.ticket} - {None}

    def _retry(self, row: ConsumerFailureRow) -> bool:
        """Plan an event again; return whether it is done with."""
        event = _read_event(self._tx, row.position)
        if event is None:
            self.lost += 1
        elif self._is_wanted(event):
            error = self._plan_and_find_error([event])
            if error is not None:
                self.failed += 1
                delay = min(LONGEST_RETRY_DELAY, FIRST_RETRY_DELAY * 2 ** min(row.tries, 20))
                values = {"tries": row.tries + 1, "due_at": self.at + delay, "error": error}
                self._tx.execute(update(failures).where(_is_failure(row)).values(values))
                return False
            self.planned += 1
        self._tx.execute(delete(failures).where(_is_failure(row)))
        return True

    def _is_wanted(self, event: LoggedEvent) -> bool:
        return event.type in self._consumer.types and event.data != ERASED

    def _plan_and_find_error(self, events: Sequence[LoggedEvent]) -> str | None:
        """Plan events together; return what went wrong, or None."""
        try:
            with savepoint(self._tx):
                self._consumer.plan(self._tx, events)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            description = _describe_error(error)
            if len(events) == 1:
                logger.exception(
                    "%s: event %d was set aside", self._consumer.name, events[0].position
                )
                self.last_error = description
            return description
        return None

    def _set_aside(self, event: LoggedEvent, error: str | None) -> None:
        tries = 0 if error is None else 1
        self.failed += tries
        row = {
            "consumer": self._consumer.name,
            "position": event.position,
            "ticket": event.ticket,
            "tries": tries,
            "due_at": self.at + tries * FIRST_RETRY_DELAY,
            "error": error,
        }
        self._tx.execute(insert(failures), row)


_DUE_FAILURES = (
    select(failures)
    .where(
        failures.c.consumer == bindparam("of"),
        failures.c.due_at <= bindparam("by"),
        IS_FIRST_OF_TICKET,
    )
    .order_by(failures.c.position)
    .limit(bindparam("at_most", type_=Integer))
)
_EVENTS_AFTER = (
    select(log)
    .where(log.c.position > bindparam("after"))
    .order_by(log.c.position)
    .limit(BATCH_SIZE)
)
_EVENT_AT = select(log).where(log.c.position == bindparam("here"))


def _record_progress(tx: Connection, row: ConsumerRow, batch: _Batch, reached: int) -> None:
    epoch = read_epoch(tx)
    values = {"position": reached, "epoch": epoch, "lost": row.lost + batch.lost}
    if batch.last_error is not None:
        values |= {"last_error": batch.last_error, "last_error_at": batch.at}
        wake(tx, CONSUMERS_CHANGED_TOPIC)
    elif (reached, epoch, batch.lost) == (row.position, row.epoch, 0):
        return
    tx.execute(update(consumers).where(consumers.c.name == row.name).values(values))


def _is_failure(row: ConsumerFailureRow) -> ColumnElement[bool]:
    return and_(failures.c.consumer == row.consumer, failures.c.position == row.position)


def _read_blocked_tickets(
    tx: Connection, consumer: str, events: Collection[LoggedEvent]
) -> set[str | None]:
    """Return the tickets of these events that have an event set aside already."""
    tickets = {each.ticket for each in events if each.ticket is not None}
    if not tickets:
        return set()
    query = select(failures.c.ticket).where(
        failures.c.consumer == consumer, failures.c.ticket.in_(tickets)
    )
    return set(tx.execute(query).scalars())


def _read_events_after(tx: Connection, position: int) -> list[LoggedEvent]:
    rows = fetch_all(tx, _EVENTS_AFTER, LogRow, {"after": position})
    redactions = read_redactions(tx)
    return [_to_event(row, redactions) for row in rows]


def _read_event(tx: Connection, position: int) -> LoggedEvent | None:
    row = fetch_first(tx, _EVENT_AT, LogRow, {"here": position})
    return None if row is None else _to_event(row, read_redactions(tx))


def _to_event(row: LogRow, redactions: Redactions) -> LoggedEvent:
    data = redactions.redact(row.position, row.type, row.workspace, row.ticket, row.data)
    return LoggedEvent(
        row.position,
        row.type,
        row.at,
        row.workspace,
        row.actor,
        row.cause,
        () if data == ERASED else tuple(json.loads(row.channels)),
        data,
        row.ticket,
    )


def _split(events: Sequence[LoggedEvent]) -> Iterator[Sequence[LoggedEvent]]:
    for first in range(0, len(events), CHUNK_SIZE):
        yield events[first : first + CHUNK_SIZE]


def _describe_error(error: Exception) -> str:
    """Return an exception's type and place. Its text might quote a message of a ticket."""
    frame, place = error.__traceback__, ""
    while frame is not None:
        path = frame.tb_frame.f_code.co_filename
        if "/deskwire/" in path:
            place = f" in {path.rpartition('/deskwire/')[2]}:{frame.tb_lineno}"
        frame = frame.tb_next
    return f"{type(error).__name__}{place}"
