"""Format deliveries and events for the terminal, and wait for the outcome of a delivery."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from deskwire.events.frames import read_event_json
from deskwire.events.log import CausedEvent, Entry
from deskwire.kit.clock import Millis
from deskwire.kit.db import Database
from deskwire.webhooks.deliveries import StoredDelivery

OUTCOME_TIMEOUT = 5.0  # s; the worker needs milliseconds, or a second if it missed the wake-up
POLL_INTERVAL = 0.05  # s between queries


def format_local_time(at: Millis) -> str:
    """Format a time in the local time zone, with its offset from UTC."""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def format_table(deliveries: Iterable[StoredDelivery]) -> Iterator[str]:
    """Yield a header line, then one line per delivery."""
    yield f"{'ID':>8}  {'RECEIVED':25}  {'STATE':9}  TYPE"
    for delivery in deliveries:
        reasons = f"  {'; '.join(delivery.reasons)}" if delivery.reasons else ""
        received = format_local_time(delivery.received_at)
        yield f"{delivery.id:>8}  {received}  {delivery.state:9}  {delivery.type or '-'}{reasons}"


def format_delivery(
    delivery: StoredDelivery, caused_events: Iterable[CausedEvent]
) -> Iterator[str]:
    """Yield the lines of one delivery: its body, its state and the events it caused."""
    yield f"delivery {delivery.id} from {delivery.source}: {delivery.type or 'no type'}"
    yield f"signed   {format_local_time(delivery.signed_at)}"
    yield f"received {format_local_time(delivery.received_at)}"
    yield f"state    {delivery.state}{''.join(f'; {reason}' for reason in delivery.reasons)}"
    body = (
        delivery.body.decode("utf-8", "replace")
        or "not kept: what it was about was deleted, or it repeats another"
    )
    yield f"body     {body}"
    for event in caused_events:
        position = f"at position {event.position}" if event.position else "not numbered yet"
        yield f"event    {event.type} {position} → {', '.join(event.channels)}"


def format_event(entry: Entry) -> str:
    """Format an entry of the log as one line: position, time, type and data."""
    data = read_event_json(entry.frame)
    return f"{entry.position:>8}  {format_local_time(entry.at)}  {entry.type}  {data}"


def wait_for_outcome(
    db: Database, find: Callable[[Connection], StoredDelivery | None]
) -> StoredDelivery | None:
    """Return the delivery that `find` finds, once it is processed or after OUTCOME_TIMEOUT.

    None if `find` finds none.
    """
    deadline = time.monotonic() + OUTCOME_TIMEOUT
    while (delivery := db.read_sync(find)) is not None and delivery.state == "pending":
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_INTERVAL)
    return delivery


def format_outcome(delivery: StoredDelivery) -> str:
    """Describe the outcome of a delivery, as a sentence without a full stop."""
    label = f"delivery {delivery.id}"
    match delivery.state:
        case "done":
            return f"{label} is done"
        case "repeat":
            return f"{label} repeats an earlier one, so there is nothing to do"
        case "pending":
            return f"{label} is stored but not processed yet; is a server running?"
        case "parked" | "refused" | "dismissed":
            return f"{label} is {delivery.state}: {'; '.join(delivery.reasons)}"
