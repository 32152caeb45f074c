"""Empty the bodies of stored deliveries, and keep what recognizes a repeated one.

A delivery that led to entries of the log is found by them. One that led to none is asked about:
its source says whether the body is about a deleted ticket, as far as can be known.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from deskwire.kit.db import pad_in_list
from deskwire.kit.errors import NotFound
from deskwire.kit.rows import fetch_all, fetch_first
from deskwire.webhooks.deliveries import DeliveryRow, DeliveryState, deliveries
from deskwire.webhooks.source import DeletedTicket, Source

# The states of deliveries that led to no entry of the log.
UNTRACED_STATES: tuple[DeliveryState, ...] = ("parked", "dismissed", "refused", "repeat")
PAGE_SIZE = 25  # bodies read at once, of up to 1 MiB each


class UntracedPage(NamedTuple):
    """What was found among a page of deliveries."""

    fingerprints: dict[int, str]  # by id, of the deliveries to be emptied
    last: int | None  # id of the last that was looked at; None: there are no more


def read_event_hash(tx: Connection, delivery_id: int) -> str:
    """Return the hash of a delivery's event, also after its body was erased. Raises NotFound."""
    row = fetch_first(tx, select(deliveries).where(deliveries.c.id == delivery_id), DeliveryRow)
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return row.fingerprint or hash_event(json.loads(row.body)["event"])


def erase_bodies(tx: Connection, delivery_ids: Collection[int]) -> None:
    """Empty the bodies of processed deliveries; what recognizes a repeated one stays."""
    is_left = deliveries.c.id.in_(pad_in_list(delivery_ids)) & deliveries.c.fingerprint.is_(None)
    for row in fetch_all(tx, select(deliveries).where(is_left), DeliveryRow):
        values = {"body": b"", "fingerprint": _fingerprint(row.body)}
        tx.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))


def find_untraced(
    tx: Connection,
    sources: Mapping[str, Source],
    state: DeliveryState,
    after: int,
    gone: Collection[DeletedTicket],
) -> UntracedPage:
    """Look through the next deliveries of a state for those that are about deleted tickets.

    `gone` are deleted tickets that may have no row any more.
    """
    rows = fetch_all(tx, _NEXT_OF_STATE, DeliveryRow, {"of": state, "after": after})
    found = {
        row.id: _fingerprint(row.body)
        for row in rows
        if (source := sources.get(row.source)) is not None
        and source.is_about_deleted_ticket(tx, row.body, gone)
    }
    return UntracedPage(found, rows[-1].id if len(rows) == PAGE_SIZE else None)


_NEXT_OF_STATE = (
    select(deliveries)
    .where(
        deliveries.c.state == bindparam("of"),
        deliveries.c.id > bindparam("after"),
        deliveries.c.fingerprint.is_(None),
    )
    .order_by(deliveries.c.id)
    .limit(PAGE_SIZE)
)


def erase_untraced(tx: Connection, fingerprints: Mapping[int, str]) -> None:
    """Empty the bodies that `find_untraced` found, unless an operator replays them now."""
    for id_, fingerprint in fingerprints.items():
        is_left = (deliveries.c.id == id_) & deliveries.c.state.in_(UNTRACED_STATES)
        values = {"body": b"", "fingerprint": fingerprint}
        tx.execute(update(deliveries).where(is_left).values(values))


def hash_event(event: object) -> str:
    """Hash an event independently of the order of its fields."""
    return hashlib.sha256(json.dumps(event, sort_keys=True).encode()).hexdigest()


def _fingerprint(body: bytes) -> str:
    """Return the hash of the event in a body; of the body, if it has none and repeats nothing."""
    try:
        return hash_event(json.loads(body)["event"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return hashlib.sha256(body).hexdigest()
