"""Deliveries as the shell tells them: a row, all of one, and what became of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from deskwire.events.log import CausedEvent
from deskwire.kit.clock import Millis
from deskwire.kit.db import Database
from deskwire.webhooks.deliveries import StoredDelivery

OUTCOME_TIMEOUT = 5.0  # s the worker has; it takes milliseconds, and a second if it was not told
POLL_INTERVAL = 0.05  # s between two looks


def format_local_time(at: Millis) -> str:
    """A time as this machine's clock on the wall shows it, with how far that is from UTC."""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def format_table(deliveries: Iterable[StoredDelivery]) -> Iterator[str]:
    """A heading, then a line for each."""
    yield f"{'ID':>8}  {'RECEIVED':25}  {'STATE':9}  TYPE"
    for each in deliveries:
        why = f"  {'; '.join(each.reasons)}" if each.reasons else ""
        received = format_local_time(each.received_at)
        yield f"{each.id:>8}  {received}  {each.state:9}  {each.type or '-'}{why}"


def format_delivery(
    delivery: StoredDelivery, caused_events: Iterable[CausedEvent]
) -> Iterator[str]:
    """What arrived, what became of it, and the events that came of it."""
    yield f"delivery {delivery.id} from {delivery.source}: {delivery.type or 'no type'}"
    yield f"signed   {format_local_time(delivery.signed_at)}"
    yield f"received {format_local_time(delivery.received_at)}"
    yield f"state    {delivery.state}{''.join(f'; {reason}' for reason in delivery.reasons)}"
    yield f"body     {delivery.body.decode('utf-8', 'replace')}"
    for each in caused_events:
        place = f"at position {each.position}" if each.position else "without a position yet"
        yield f"event    {each.type} {place} → {', '.join(each.channels)}"


def wait_for_outcome(
    db: Database, find: Callable[[Connection], StoredDelivery | None]
) -> StoredDelivery | None:
    """The delivery that `find` finds, once it is worked out or patience ends; None: not here."""
    deadline = time.monotonic() + OUTCOME_TIMEOUT
    while (kept := db.read_sync(find)) is not None and kept.state == "pending":
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_INTERVAL)
    return kept


def format_outcome(delivery: StoredDelivery) -> str:
    """What became of a delivery, as a sentence without its end."""
    number = f"delivery {delivery.id}"
    match delivery.state:
        case "done":
            return f"{number} is done"
        case "repeat":
            return f"{number} repeats an earlier one: nothing to do"
        case "pending":
            return f"{number} is kept, and not worked out yet; is a server running?"
        case "parked" | "refused" | "dismissed":
            return f"{number} is kept, but {delivery.state}: {'; '.join(delivery.reasons)}"
