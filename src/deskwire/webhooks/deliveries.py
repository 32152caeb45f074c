"""Store every accepted webhook as it arrived, and the outcome of processing it.

pending → done
        → parked   cannot be applied, with reasons; can be replayed
            → dismissed   an operator decided to leave it; can still be replayed
        → repeat   the same event again; nothing to do, and its body is not kept
refused            signed correctly, but no event; stored for the operator
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any, Literal, cast, get_args

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from deskwire.kit.clock import Millis
from deskwire.kit.db import BigId, execute_raw_sql, metadata, wake
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all, fetch_first
from deskwire.webhooks.source import IncomingDelivery

DELIVERIES_TOPIC = "deskwire_deliveries"  # woken when a delivery changes its state
BATCH_SIZE = 500  # deliveries per statement; SQLite allows 32,766 values, each takes eleven

DeliveryState = Literal["pending", "done", "parked", "repeat", "refused", "dismissed"]
DELIVERY_STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
# They need no further processing.
SETTLED_STATES: tuple[DeliveryState, ...] = ("done", "repeat", "refused", "dismissed")

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
    Column("body", LargeBinary, nullable=False),  # the raw bytes; empty once erased
    Column("state", Text, nullable=False),
    Column("reasons", Text, nullable=False),  # JSON list of sentences
    Column("handled_at", BigInteger),  # ms
    Column("attempts", Integer, nullable=False),
    Column("fingerprint", Text),  # hash of the meaning of a body that was erased
    Column("key", Text),  # the sender's object it is about
    # The time comes first, so that new rows go to the end of the index, not to random pages.
    UniqueConstraint("source", "signed_at", "digest"),
    Index("ix_deliveries_source_envelope_id", "source", "envelope_id"),
    Index("ix_deliveries_state_id", "state", "id"),
    sqlite_autoincrement=True,
)


class DeliverySummaryColumns:
    """A row of `deliveries` without its body (a view for `kit.rows`)."""

    id: int
    source: str
    type: str | None
    envelope_id: str | None
    state: DeliveryState
    reasons: str
    signed_at: Millis
    received_at: Millis
    handled_at: Millis | None
    attempts: int


class DeliveryRow(DeliverySummaryColumns):
    """A row of `deliveries`."""

    body: bytes
    fingerprint: str | None
    key: str | None


class PendingDeliveryRow(DeliveryRow):
    """A pending row, with the id of another delivery under the same id of the sender, if any."""

    earlier: int | None


@dataclass(frozen=True, slots=True)
class DeliverySummary:
    """A delivery in a list."""

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
    """A delivery with its raw body."""

    body: bytes


def store_deliveries(tx: Connection, incoming: Sequence[IncomingDelivery]) -> None:
    """Store deliveries; signed bytes that were stored before are skipped."""
    for first in range(0, len(incoming), BATCH_SIZE):
        execute_raw_sql(tx, *build_insert(incoming[first : first + BATCH_SIZE]))


def check_writable(tx: Connection) -> None:
    """Store a delivery and delete it again. Raises OperationalError if none can be stored."""
    id_ = -1 - secrets.randbelow(2**62)  # an id of its own: processes do not wait for each other
    row = {"source": "", "digest": str(id_), "signed_at": 0, "received_at": 0, "body": b""}
    tx.execute(insert(deliveries).values(id=id_, state="refused", reasons="[]", attempts=0, **row))
    tx.execute(delete(deliveries).where(deliveries.c.id == id_))


def build_insert(incoming: Sequence[IncomingDelivery]) -> tuple[str, tuple[Any, ...]]:
    """Return the statement that stores up to BATCH_SIZE deliveries, and its values.

    It is one statement for all of them because the driver releases the GIL at each statement, and
    has to win it back from a busy event loop.
    """
    return _insert_sql(len(incoming)), tuple(chain.from_iterable(map(_insert_values, incoming)))


@cache
def _insert_sql(count: int) -> str:
    row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    return f"{_INSERT} {', '.join([row] * count)} ON CONFLICT DO NOTHING"


_INSERT = (
    "INSERT INTO deliveries (source, digest, envelope_id, type, signed_at, received_at, body, "
    "state, reasons, attempts, key) VALUES"
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
        "pending" if incoming.problem is None else incoming.problem_state,
        json.dumps([incoming.problem]) if incoming.problem else "[]",
        0,
        incoming.key,
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


def read_pending(tx: Connection, limit: int) -> Sequence[PendingDeliveryRow]:
    """Return the oldest pending deliveries."""
    rows = tx.execute(_PENDING, {"at_most": limit}).all()
    return cast("Sequence[PendingDeliveryRow]", rows)


_RECORD_OUTCOME = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("settled"))
    .values(attempts=deliveries.c.attempts + 1)
)


def record_outcome(
    tx: Connection, delivery_id: int, state: DeliveryState, reasons: Sequence[str], at: Millis
) -> None:
    """Record the state a delivery has reached, and count the attempt."""
    values = {
        "settled": delivery_id,
        "state": state,
        "reasons": json.dumps(list(reasons), ensure_ascii=False),
        "handled_at": at,
    }
    tx.execute(_RECORD_OUTCOME, values)


def replay(tx: Connection, delivery_id: int) -> None:
    """Queue a parked or dismissed delivery for the worker again.

    Raises NotFound if there is no such delivery, and Conflict if it is in another state or erased.
    """
    delivery = read_delivery(tx, delivery_id)
    if delivery.state not in ("parked", "dismissed"):
        raise Conflict(
            gettext(
                "Delivery %(id)s is neither parked nor dismissed, so it can’t be replayed.",
                id=delivery_id,
            )
        )
    if not delivery.body:
        raise Conflict(
            gettext(
                "Delivery %(id)s can’t be replayed: it was erased with the ticket it was about.",
                id=delivery_id,
            )
        )
    tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(state="pending"))
    wake(tx, DELIVERIES_TOPIC)


def dismiss(tx: Connection, delivery_id: int, at: Millis) -> None:
    """Record that an operator decided to leave a parked delivery.

    Raises NotFound if there is no such delivery, and Conflict if it is not parked.
    """
    state = read_delivery(tx, delivery_id).state
    if state != "parked":
        raise Conflict(
            gettext("Delivery %(id)s isn’t parked, so it can’t be dismissed.", id=delivery_id)
        )
    values = {"state": "dismissed", "handled_at": at}
    tx.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))
    wake(tx, DELIVERIES_TOPIC)


def delete_settled(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `limit` deliveries that were settled before a time; return their number.

    A parked one stays, however old: no operator has decided about it yet.
    """
    for source in list_sources(tx):
        ids = tx.execute(_EXPIRED, {"of": source, "before": before, "at_most": limit}).scalars()
        if expired := list(ids):
            tx.execute(delete(deliveries).where(deliveries.c.id.in_(expired)))
            wake(tx, DELIVERIES_TOPIC)
            return len(expired)
    return 0


def list_sources(tx: Connection) -> Iterator[str]:
    """Yield the sources of the stored deliveries; each costs one lookup in an index."""
    name: str | None = ""
    while (name := tx.execute(_NEXT_SOURCE, {"last": name}).scalar()) is not None:
        yield name


_NEXT_SOURCE = select(func.min(deliveries.c.source)).where(
    deliveries.c.source > bindparam("last", type_=Text)
)
# Ordered by signing time, which is indexed, so that only old rows are read.
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
    """Return one delivery with its body. Raises NotFound."""
    row = fetch_first(tx, select(deliveries).where(deliveries.c.id == delivery_id), DeliveryRow)
    if row is None:
        raise NotFound(
            f"There is no delivery {delivery_id}; `deskwire deliveries list` names them."
        )
    return _to_stored(row)


def find_by_envelope_id(tx: Connection, source: str, envelope_id: str) -> StoredDelivery | None:
    """Return the newest delivery under a sender's own id (in its JSON form), or None."""
    is_match = (deliveries.c.source == source) & (deliveries.c.envelope_id == envelope_id)
    newest = select(deliveries).where(is_match).order_by(deliveries.c.id.desc()).limit(1)
    row = fetch_first(tx, newest, DeliveryRow)
    return None if row is None else _to_stored(row)


def list_stored(
    tx: Connection, limit: int, state: DeliveryState | None = None
) -> list[StoredDelivery]:
    """Return the newest deliveries, newest first."""
    query = select(deliveries).order_by(deliveries.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    return [_to_stored(row) for row in fetch_all(tx, query, DeliveryRow)]


def list_summaries(
    tx: Connection, limit: int, *, state: str = "", source: str = "", before: int = 0
) -> list[DeliverySummary]:
    """Return the newest deliveries without their bodies, newest first.

    An empty `state` or `source` matches any. `before` limits the list to lower ids; 0 does not.
    """
    query = select(*_SUMMARY_COLUMNS).order_by(deliveries.c.id.desc()).limit(limit)
    if state:
        query = query.where(deliveries.c.state == state)
    if source:
        query = query.where(deliveries.c.source == source)
    if before:
        query = query.where(deliveries.c.id < before)
    rows = fetch_all(tx, query, DeliverySummaryColumns)
    return [DeliverySummary(**_summary_fields(row)) for row in rows]


_SUMMARY_COLUMNS = [deliveries.c[name] for name in DeliverySummaryColumns.__annotations__]


def count_by_state(tx: Connection) -> dict[str, int]:
    """Return the number of deliveries in each state."""
    rows = tx.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state))
    return {row[0]: row[1] for row in rows}


def count_pending(tx: Connection) -> int:
    """Return the number of deliveries the worker has not processed yet."""
    query = select(func.count()).where(deliveries.c.state == "pending")
    return int(tx.execute(query).scalar_one())


def find_oldest_pending(tx: Connection) -> Millis | None:
    """Return when the delivery arrived that has waited longest for the worker."""
    oldest = select(deliveries.c.received_at).where(deliveries.c.state == "pending")
    return tx.execute(oldest.order_by(deliveries.c.id).limit(1)).scalar()


def _to_stored(row: DeliveryRow) -> StoredDelivery:
    return StoredDelivery(**_summary_fields(row), body=bytes(row.body))


def _summary_fields(row: DeliverySummaryColumns) -> dict[str, Any]:
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
