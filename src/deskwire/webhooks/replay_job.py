"""Replay every parked delivery, as a job: after an upgrade, or once their cause was mended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, select, update

from deskwire.jobs.store import HasTimeLeft, JobKind, Slice
from deskwire.kit.db import wake
from deskwire.webhooks.deliveries import DELIVERIES_TOPIC, count_pending, deliveries

PAGE_SIZE = 20  # deliveries queued at once
MAX_PENDING = 100  # deliveries that wait for the worker; more are queued once it has caught up


def _count_parked(tx: Connection, _arguments: Mapping[str, Any]) -> int:
    return int(tx.execute(select(func.count()).where(_IS_PARKED)).scalar_one())


def _replay_next(
    tx: Connection, _arguments: Mapping[str, Any], cursor: str, _has_time_left: HasTimeLeft
) -> Slice:
    """Queue the next parked deliveries for the worker, each once, in order of arrival."""
    if count_pending(tx) > MAX_PENDING:
        return Slice(cursor, 0, False)
    # Up to the newest of the beginning: one that is parked again is not replayed for ever.
    last, _, newest = cursor.partition("/")
    newest = newest or str(tx.execute(select(func.max(deliveries.c.id))).scalar() or 0)
    bounds = {"last": int(last or 0), "newest": int(newest), "at_most": PAGE_SIZE}
    ids = list(tx.execute(_NEXT_PARKED, bounds).scalars())
    if ids:
        tx.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(state="pending"))
        wake(tx, DELIVERIES_TOPIC)
        last = str(ids[-1])
    return Slice(f"{last}/{newest}", len(ids), len(ids) < PAGE_SIZE)


# One whose body was erased cannot be replayed.
_IS_PARKED = (deliveries.c.state == "parked") & (deliveries.c.body != b"")
_NEXT_PARKED = (
    select(deliveries.c.id)
    .where(
        _IS_PARKED,
        deliveries.c.id > bindparam("last", type_=Integer),
        deliveries.c.id <= bindparam("newest", type_=Integer),
    )
    .order_by(deliveries.c.id)
    .limit(bindparam("at_most", type_=Integer))
)

REPLAY_PARKED = JobKind("replay-parked", _count_parked, _replay_next)
