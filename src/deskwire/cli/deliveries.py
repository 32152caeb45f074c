"""Deliveries as the shell tells them: a row, all of one, and what became of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from sqlalchemy import Connection

from deskwire.events.log import Caused
from deskwire.kit.clock import Millis
from deskwire.kit.db import Database
from deskwire.webhooks.deliveries import Kept

PATIENCE = 5.0  # s the worker has; it takes milliseconds, and a second if it was not told
LOOK = 0.05  # s between two looks


def local(at: Millis) -> str:
    """A time as this machine's clock on the wall shows it, with how far that is from UTC."""
    return datetime.fromtimestamp(at / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def rows(deliveries: Iterable[Kept]) -> Iterator[str]:
    """A heading, then a line for each."""
    yield f"{'ID':>8}  {'RECEIVED':25}  {'STATE':9}  TYPE"
    for each in deliveries:
        why = f"  {'; '.join(each.reasons)}" if each.reasons else ""
        yield f"{each.id:>8}  {local(each.received_at)}  {each.state:9}  {each.type or '-'}{why}"


def page(kept: Kept, brought_about: Iterable[Caused]) -> Iterator[str]:
    """What arrived, what became of it, and the events that came of it."""
    yield f"delivery {kept.id} from {kept.source}: {kept.type or 'no type'}"
    yield f"signed   {local(kept.signed_at)}"
    yield f"received {local(kept.received_at)}"
    yield f"state    {kept.state}{''.join(f'; {reason}' for reason in kept.reasons)}"
    yield f"body     {kept.body.decode('utf-8', 'replace')}"
    for each in brought_about:
        place = f"at position {each.position}" if each.position else "without a position yet"
        yield f"event    {each.type} {place} → {', '.join(each.channels)}"


def await_outcome(db: Database, find: Callable[[Connection], Kept | None]) -> Kept | None:
    """The delivery that `find` finds, once it is worked out or patience ends; None: not here."""
    deadline = time.monotonic() + PATIENCE
    while (kept := db.read_here(find)) is not None and kept.state == "pending":
        if time.monotonic() >= deadline:
            break
        time.sleep(LOOK)
    return kept


def outcome(kept: Kept) -> str:
    """What became of a delivery, as a sentence without its end."""
    number = f"delivery {kept.id}"
    match kept.state:
        case "done":
            return f"{number} is done"
        case "repeat":
            return f"{number} repeats an earlier one: nothing to do"
        case "pending":
            return f"{number} is kept, and not worked out yet; is a server running?"
        case "parked" | "refused" | "dismissed":
            return f"{number} is kept, but {kept.state}: {'; '.join(kept.reasons)}"
