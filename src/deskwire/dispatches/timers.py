"""Run actions of ours at a given time, exactly once: timers are dispatches to the desk itself.

The action runs in the transaction that finishes its dispatch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError

from deskwire.dispatches.claims import MAX_ATTEMPTS, Jitter, retry_delay
from deskwire.dispatches.store import TIMERS, DispatchRow, dispatches
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import HOUR, Clock, Millis, now
from deskwire.kit.db import Database, acquire_advisory_lock, pad_in_list, savepoint
from deskwire.kit.rows import fetch_all

POLL_INTERVAL = 1.0  # s; a timer is at most this late
TIMERS_PER_TRANSACTION = 5  # actions; each may take 2 ms, and a transaction 10
UNKNOWN_KIND_DELAY = HOUR  # ms; a newer version that knows the kind may run by then

# (tx, key, payload, current time in ms); what it raises is tried again later.
TimerAction = Callable[[Connection, str, Mapping[str, Any], Millis], None]

logger = logging.getLogger(__name__)


def schedule(
    tx: Connection,
    kind: str,
    key: str,
    due_at: Millis,
    *,
    at: Millis,
    payload: Mapping[str, Any] | None = None,
) -> None:
    """Schedule the action of `kind` for `due_at` (ms); `at` is the current time (ms).

    Replaces an earlier timer of this kind and key that has not run yet.
    """
    acquire_advisory_lock(tx, f"timer {kind} {key}")
    text = json.dumps(payload or {})
    values = {"due_at": due_at, "payload": text, "state": "ready", "attempts": 0}
    moved = update(dispatches).where(_is_pending(kind, key)).values(**values, last_error=None)
    if tx.execute(moved).rowcount == 0:
        row = {"target": TIMERS, "key": key, "kind": kind, "claimed_until": 0}
        tx.execute(insert(dispatches), {**row, **values, "created_at": at})


def cancel(tx: Connection, kind: str, key: str) -> None:
    """Delete a timer that has not run yet; do nothing if there is none."""
    cancel_all(tx, kind, [key])


def cancel_all(tx: Connection, kind: str, keys: Collection[str]) -> None:
    """Delete the timers of several keys that have not run yet."""
    if keys:
        tx.execute(delete(dispatches).where(_is_pending(kind, *keys)))


def run_due_timers(
    tx: Connection,
    actions: Mapping[str, TimerAction],
    at: Millis,
    jitter: Jitter = random.random,
) -> Counter[str]:
    """Run some of the timers that are due; return the number of each outcome."""
    acquire_advisory_lock(tx, f"dispatches {TIMERS}")
    outcomes = Counter[str]()
    for row in fetch_all(tx, _DUE, DispatchRow, {"by": at, "at_most": TIMERS_PER_TRANSACTION}):
        if (values := _run_and_find_problem(tx, actions, row, at, jitter)) is not None:
            _update(tx, row, values)
        outcomes["done" if values is None else "refused"] += 1
    return outcomes


def has_due_timers(tx: Connection, at: Millis) -> bool:
    """Whether a timer is due."""
    return tx.execute(_DUE, {"by": at, "at_most": 1}).first() is not None


class TimerRunner:
    """Run timers for the life of the process."""

    def __init__(
        self,
        db: Database,
        actions: Mapping[str, TimerAction],
        clock: Clock = now,
        *,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db, self._actions, self._clock = db, actions, clock
        self._wake_event = asyncio.Event()
        self._backoff = Backoff(self._wake_event, first=first_retry_delay)
        self.outcomes: Counter[str] = Counter()  # of this process

    async def run(self) -> None:
        """Run timers until cancelled."""
        while True:
            try:
                while await self._db.read(has_due_timers, self._clock()):
                    self.outcomes += await self._db.write(
                        run_due_timers, self._actions, self._clock()
                    )
                self._backoff.reset()
            except (OperationalError, InterfaceError) as error:
                logger.error("the database failed; timers wait: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()
            else:
                await wait_for_event(self._wake_event, POLL_INTERVAL)


def _run_and_find_problem(
    tx: Connection,
    actions: Mapping[str, TimerAction],
    row: DispatchRow,
    at: Millis,
    jitter: Jitter,
) -> dict[str, Any] | None:
    """Run one timer and finish it; if that fails, return the new values of its row."""
    action = actions.get(row.kind)
    if action is None:
        error = f"this version knows no timer {row.kind!r}"
        return {"due_at": at + UNKNOWN_KIND_DELAY, "last_error": error}
    try:
        with savepoint(tx):
            # Before the action, which may schedule the next timer of this kind and key.
            _update(tx, row, {"state": "done", "finished_at": at})
            action(tx, row.key, json.loads(row.payload), at)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("timer %d (%s) failed", row.id, row.kind)
        values = {"attempts": row.attempts + 1, "last_error": type(error).__name__}
        if row.attempts + 1 >= MAX_ATTEMPTS:
            return {**values, "state": "dead", "finished_at": at}
        return {**values, "due_at": at + retry_delay(row.attempts + 1, jitter)}
    return None


def _update(tx: Connection, row: DispatchRow, values: Mapping[str, Any]) -> None:
    tx.execute(update(dispatches).where(dispatches.c.id == row.id).values(values))


def _is_pending(kind: str, *keys: str) -> ColumnElement[bool]:
    return (
        (dispatches.c.target == TIMERS)
        & dispatches.c.key.in_(pad_in_list(keys))
        & (dispatches.c.kind == kind)
        & dispatches.c.state.in_(("ready", "held"))
    )


_DUE = (
    select(dispatches)
    .where(
        dispatches.c.target == TIMERS,
        dispatches.c.state == "ready",
        dispatches.c.due_at <= bindparam("by"),
    )
    .order_by(dispatches.c.due_at, dispatches.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
