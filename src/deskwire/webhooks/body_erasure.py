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
Sources = Mapping[str, Source]  # by name

PAGE_SIZE = 25  # bodies read at once, of up to 1 MiB each


class UntracedPage(NamedTuple):
    """What was found among a page of deliveries."""

    fingerprints: dict[int, str]  # by id, of the deliveries to be emptied
    last: int | None  # id of the last that was looked at; None: there are no more


def read_meaning_hash(tx: Connection, delivery_id: int, sources: Sources) -> str:
    """Return the hash of a delivery's meaning, also after its body was erased. Raises NotFound."""
    row = fetch_first(tx, select(deliveries).where(deliveries.c.id == delivery_id), DeliveryRow)
    if row is None:
        raise NotFound(f"There is no delivery {delivery_id}.")
    return row.fingerprint or _fingerprint(row, sources)


def erase_bodies(tx: Connection, delivery_ids: Collection[int], sources: Sources) -> None:
    """Empty the bodies of processed deliveries; what recognizes a repeated one stays."""
    is_left = deliveries.c.id.in_(pad_in_list(delivery_ids)) & deliveries.c.fingerprint.is_(None)
    for row in fetch_all(tx, select(deliveries).where(is_left), DeliveryRow):
        values = {"body": b"", "fingerprint": _fingerprint(row, sources)}
        tx.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))


def find_untraced(
    tx: Connection,
    sources: Sources,
    state: DeliveryState,
    after: int,
    gone: Collection[DeletedTicket],
) -> UntracedPage:
    """Look through the next deliveries of a state for those that are about deleted tickets.

    `gone` are deleted tickets that may have no row any more.
    """
    rows = fetch_all(tx, _NEXT_OF_STATE, DeliveryRow, {"of": state, "after": after})
    found = {
        row.id: _fingerprint(row, sources)
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


def hash_meaning(meaning: object) -> str:
    """Hash what a source says two equal deliveries share, whatever the order of its fields."""
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def _fingerprint(row: DeliveryRow, sources: Sources) -> str:
    """Return the hash of a body's meaning; of the body, if it has none and repeats nothing."""
    try:
        return hash_meaning(sources[row.source].meaning(json.loads(row.body)))
    except (ValueError, TypeError, KeyError, RecursionError):
        return hashlib.sha256(row.body).hexdigest()
