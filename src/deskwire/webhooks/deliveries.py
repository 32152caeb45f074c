"""Deliveries: every webhook that was let in, as it arrived and what became of it.

pending → done
        → parked   not understood yet, with reasons; can be replayed
            → dismissed   an operator has seen it, and lets it be; can still be replayed
        → repeat   the same event under the same id once more; nothing to do
refused            proven, but no message; kept for the operator
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    select,
    update,
)

from deskwire.kit.clock import Millis
from deskwire.kit.db import BigId, execute_raw_sql, metadata, wake
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.i18n import gettext
from deskwire.webhooks.source import IncomingDelivery

DELIVERIES_TOPIC = "deskwire_deliveries"  # rung when one of them is another than it was
BATCH_SIZE = 500  # deliveries in one statement; SQLite takes 32,766 values, ten for each

DeliveryState = Literal["pending", "done", "parked", "repeat", "refused", "dismissed"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
SETTLED_STATES: tuple[DeliveryState, ...] = (
    "done",
    "repeat",
    "refused",
    "dismissed",
)  # nothing is to be done

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),  # in order of arrival
    Column("source", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("envelope_id", Text),
    Column("type", Text),
    Column("signed_at", BigInteger, nullable=False),  # ms; by the sender's clock
    Column("received_at", BigInteger, nullable=False),  # ms
    Column("body", LargeBinary, nullable=False),  # the raw bytes
    Column("state", Text, nullable=False),
    Column("reasons", Text, nullable=False),  # JSON list of sentences
    Column("handled_at", BigInteger),  # ms
    Column("attempts", Integer, nullable=False),
    # The time first: rows then join the index at its end, not at a random page of it.
    UniqueConstraint("source", "signed_at", "digest"),
    Index("ix_deliveries_source_envelope_id", "source", "envelope_id"),
    Index("ix_deliveries_state_id", "state", "id"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """A delivery as a list tells of it."""

    id: int
    source: str
    type: str | None
    state: DeliveryState
    reasons: list[str]
    signed_at: Millis
    received_at: Millis
    handled_at: Millis | None
    attempts: int


@dataclass(frozen=True, slots=True)
class StoredDelivery(DeliverySummary):
    """A delivery as the operator sees it."""

    body: bytes


def store_deliveries(tx: Connection, incoming: Sequence[IncomingDelivery]) -> None:
    """Keep what arrived; the same signed bytes again are left out."""
    for first in range(0, len(incoming), BATCH_SIZE):
        execute_raw_sql(tx, *build_insert(incoming[first : first + BATCH_SIZE]))


def build_insert(incoming: Sequence[IncomingDelivery]) -> tuple[str, tuple[Any, ...]]:
    """The statement that keeps up to AT_ONCE deliveries, with its values.

    One statement for all of them: the driver lets go of the interpreter at each, and has to win
    it back from a busy event loop.
    """
    return _insert_sql(len(incoming)), tuple(chain.from_iterable(map(_insert_values, incoming)))


@cache
def _insert_sql(count: int) -> str:
    row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return f"{_INSERT} {', '.join([row] * count)} ON CONFLICT DO NOTHING"


_INSERT = (
    "INSERT INTO deliveries (source, digest, envelope_id, type, signed_at, received_at, body, "
    "state, reasons, attempts) VALUES"
)


def _insert_values(incoming: IncomingDelivery) -> tuple[Any, ...]:
    return (
        incoming.source,
        incoming.digest,
        incoming.envelope_id,
        incoming.type,
        incoming.signed_at,
        incoming.received_at,
        incoming.body,
        "pending" if incoming.problem is None else "refused",
        json.dumps([incoming.problem]) if incoming.problem else "[]",
        0,
    )


_earlier = deliveries.alias("earlier")
_PENDING = (
    select(
        deliveries,
        select(func.min(_earlier.c.id))
        .where(
            _earlier.c.source == deliveries.c.source,
            _earlier.c.envelope_id == deliveries.c.envelope_id,
            # On PostgreSQL a lower id may have become visible later, after a higher one was done.
            (_earlier.c.id < deliveries.c.id)
            | ((_earlier.c.id > deliveries.c.id) & (_earlier.c.state == "done")),
        )
        .scalar_subquery()
        .label("earlier"),
    )
    .where(deliveries.c.state == "pending")
    .order_by(deliveries.c.id)
    .limit(bindparam("at_most", type_=Integer))
)


def read_pending(tx: Connection, limit: int) -> Sequence[Row[Any]]:
    """The oldest deliveries nothing was done about yet.

    `earlier`: the id of the first other delivery under the same id of the sender's, if any.
    """
    return tx.execute(_PENDING, {"at_most": limit}).all()


_RECORD_OUTCOME = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("settled"))
    .values(attempts=deliveries.c.attempts + 1)
)


def record_outcome(
    tx: Connection, delivery_id: int, state: DeliveryState, reasons: Sequence[str], at: Millis
) -> None:
    """Say what became of a delivery."""
    told = json.dumps(list(reasons), ensure_ascii=False)
    tx.execute(
        _RECORD_OUTCOME, {"settled": delivery_id, "state": state, "reasons": told, "handled_at": at}
    )


def replay(tx: Connection, delivery_id: int) -> None:
    """Have a parked delivery understood once more, with the code of today."""
    state = read_delivery(tx, delivery_id).state
    if state not in ("parked", "dismissed"):
        raise Conflict(
            gettext(
                "Delivery %(id)s is %(state)s; only a parked one can be replayed.",
                id=delivery_id,
                state=state,
            )
        )
    tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(state="pending"))
    wake(tx, DELIVERIES_TOPIC)


def dismiss(tx: Connection, delivery_id: int, at: Millis) -> None:
    """Note that somebody has seen a parked delivery, and that nothing is to be done about it."""
    state = read_delivery(tx, delivery_id).state
    if state != "parked":
        raise Conflict(
            gettext(
                "Delivery %(id)s is %(state)s; only a parked one can be dismissed.",
                id=delivery_id,
                state=state,
            )
        )
    seen = {"state": "dismissed", "handled_at": at}
    tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(seen))
    wake(tx, DELIVERIES_TOPIC)


def delete_settled(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `at_most` deliveries that were settled before a moment; how many.

    A parked one stays, however old: nobody has looked at it yet.
    """
    for source in list_sources(tx):
        chosen = tx.execute(_EXPIRED, {"of": source, "before": before, "at_most": limit}).scalars()
        if over := list(chosen):
            tx.execute(delete(deliveries).where(deliveries.c.id.in_(over)))
            wake(tx, DELIVERIES_TOPIC)
            return len(over)
    return 0


def list_sources(tx: Connection) -> Iterator[str]:
    """Whoever sent what is kept; one step in an index for each."""
    name: str | None = ""
    while (name := tx.execute(_NEXT_SOURCE, {"last": name}).scalar()) is not None:
        yield name


_NEXT_SOURCE = select(func.min(deliveries.c.source)).where(
    deliveries.c.source > bindparam("last", type_=Text)
)
# By the time of signing, because that has an index: only what is old is looked at.
_EXPIRED = (
    select(deliveries.c.id)
    .where(
        deliveries.c.source == bindparam("of"),
        deliveries.c.signed_at < bindparam("before"),
        deliveries.c.state.in_(SETTLED_STATES),
        func.coalesce(deliveries.c.handled_at, deliveries.c.received_at) < bindparam("before"),
    )
    .order_by(deliveries.c.signed_at)
    .limit(bindparam("at_most", type_=Integer))
)


def read_delivery(tx: Connection, delivery_id: int) -> StoredDelivery:
    """One delivery with its body."""
    row = tx.execute(select(deliveries).where(deliveries.c.id == delivery_id)).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no delivery {delivery_id}; `deskwire deliveries list` names them."
        )
    return _to_stored(row)


def find_by_envelope_id(tx: Connection, source: str, envelope_id: str) -> StoredDelivery | None:
    """The newest delivery under an id of the sender's, as JSON tells it."""
    mine = (deliveries.c.source == source) & (deliveries.c.envelope_id == envelope_id)
    newest = select(deliveries).where(mine).order_by(deliveries.c.id.desc()).limit(1)
    row = tx.execute(newest).one_or_none()
    return None if row is None else _to_stored(row)


def list_stored(
    tx: Connection, limit: int, state: DeliveryState | None = None
) -> list[StoredDelivery]:
    """The newest deliveries, newest first."""
    chosen = select(deliveries)
    if state is not None:
        chosen = chosen.where(deliveries.c.state == state)
    return [
        _to_stored(row) for row in tx.execute(chosen.order_by(deliveries.c.id.desc()).limit(limit))
    ]


def list_summaries(
    tx: Connection, limit: int, *, state: str = "", source: str = "", before: int = 0
) -> list[DeliverySummary]:
    """The newest deliveries without their bodies, newest first; nothing: of any state or source.

    `before`: only those with a lower id; 0: from the newest on.
    """
    chosen = select(*_SUMMARY_COLUMNS)
    if state:
        chosen = chosen.where(deliveries.c.state == state)
    if source:
        chosen = chosen.where(deliveries.c.source == source)
    if before:
        chosen = chosen.where(deliveries.c.id < before)
    rows = tx.execute(chosen.order_by(deliveries.c.id.desc()).limit(limit))
    return [DeliverySummary(**_summary_fields(row)) for row in rows]


_SUMMARY_COLUMNS = [column for column in deliveries.c if column is not deliveries.c.body]


def count_by_state(tx: Connection) -> dict[str, int]:
    """How many deliveries there are in each state."""
    rows = tx.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state))
    return {row[0]: row[1] for row in rows}


def count_pending(tx: Connection) -> int:
    """How many deliveries wait to be understood."""
    waiting = select(func.count()).where(deliveries.c.state == "pending")
    return int(tx.execute(waiting).scalar_one())


def hash_event(event: object) -> str:
    """What an event says, whatever order its fields came in."""
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()


def _to_stored(row: Row[Any]) -> StoredDelivery:
    return StoredDelivery(**_summary_fields(row), body=bytes(row.body))


def _summary_fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "source": row.source,
        "type": row.type,
        "state": row.state,
        "reasons": json.loads(row.reasons),
        "signed_at": row.signed_at,
        "received_at": row.received_at,
        "handled_at": row.handled_at,
        "attempts": row.attempts,
    }
