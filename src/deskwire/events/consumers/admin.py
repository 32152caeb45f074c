"""Show operators how far each consumer has come, and let them stop, rewind or retry it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Update, bindparam, delete, func, select, update

from deskwire.events.consumers.store import (
    CONSUMERS_CHANGED_TOPIC,
    CONSUMERS_TOPIC,
    ConsumerFailureRow,
    ConsumerRow,
    consumers,
    failures,
)
from deskwire.events.log import log, read_head
from deskwire.events.retention import read_floor
from deskwire.kit.clock import Millis
from deskwire.kit.db import wake
from deskwire.kit.errors import Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all, fetch_first

MAX_SHOWN_FAILURES = 20  # events set aside that are listed for one consumer


@dataclass(frozen=True, slots=True)
class Failure:
    """An event that was set aside. `error` is None if it only waits behind another."""

    position: int
    ticket: str | None
    tries: int
    due_at: Millis
    error: str | None


@dataclass(frozen=True, slots=True)
class ConsumerState:
    """How far a consumer has come."""

    name: str
    position: int
    lag: int  # events it has not planned yet
    behind_since: Millis | None  # when the oldest of them was appended
    is_stopped: bool
    lost: int  # events trimmed from the log before their turn
    last_error: str | None
    last_error_at: Millis | None
    failure_count: int
    failures: Sequence[Failure]  # the oldest


def list_consumers(tx: Connection) -> list[ConsumerState]:
    """Return the state of every consumer that the database knows, by name."""
    head = read_head(tx)
    rows = fetch_all(tx, select(consumers).order_by(consumers.c.name), ConsumerRow)
    return [_describe(tx, row, head) for row in rows]


def set_stopped(tx: Connection, name: str, *, stopped: bool) -> None:
    """Stop a consumer, or let it go on where it stopped. Raises NotFound."""
    _require(tx, name)
    tx.execute(_update(name).values(stopped=stopped))
    _wake_all(tx)


def rewind(tx: Connection, name: str, position: int) -> None:
    """Let a consumer plan everything after `position` again, or skip what is before it.

    What was set aside after `position` is planned in its turn. Raises NotFound, and Invalid if the
    log has no events after `position` any more, or none yet.
    """
    _require(tx, name)
    floor, head = read_floor(tx), read_head(tx)
    if not floor <= position <= head:
        raise Invalid(
            gettext(
                "The log reaches from position %(floor)s to %(head)s. Choose one in between.",
                floor=floor,
                head=head,
            )
        )
    is_after = (failures.c.consumer == name) & (failures.c.position > position)
    tx.execute(delete(failures).where(is_after))
    tx.execute(_update(name).values(position=position))
    _wake_all(tx)


def retry_failures(tx: Connection, name: str, at: Millis) -> None:
    """Make every event that was set aside due now. Raises NotFound."""
    _require(tx, name)
    tx.execute(update(failures).where(failures.c.consumer == name).values(due_at=at))
    _wake_all(tx)


def dismiss_failure(tx: Connection, name: str, position: int) -> None:
    """Give up one event that was set aside; those behind it go on. Raises NotFound."""
    _require(tx, name)
    is_it = (failures.c.consumer == name) & (failures.c.position == position)
    if tx.execute(delete(failures).where(is_it)).rowcount == 0:
        raise NotFound(
            gettext(
                "%(name)s has set no event aside at position %(position)s.",
                name=name,
                position=position,
            )
        )
    _wake_all(tx)


def _wake_all(tx: Connection) -> None:
    """Wake the consumers, and the pages that show them."""
    wake(tx, CONSUMERS_TOPIC)
    wake(tx, CONSUMERS_CHANGED_TOPIC)


def _require(tx: Connection, name: str) -> None:
    """Raise NotFound if there is no such consumer; on PostgreSQL, wait for its current batch."""
    query = select(consumers).where(consumers.c.name == name).with_for_update()
    if fetch_first(tx, query, ConsumerRow) is None:
        raise NotFound(
            gettext(
                "There is no consumer “%(name)s”. `deskwire consumers list` names them.", name=name
            )
        )


def _update(name: str) -> Update:
    return update(consumers).where(consumers.c.name == name)


def _describe(tx: Connection, row: ConsumerRow, head: int) -> ConsumerState:
    count = tx.execute(_COUNT_FAILURES, {"of": row.name}).scalar_one()
    shown = fetch_all(tx, _OLDEST_FAILURES, ConsumerFailureRow, {"of": row.name}) if count else []
    lag = max(0, head - row.position)
    return ConsumerState(
        row.name,
        row.position,
        lag,
        tx.execute(_FIRST_TIME_AFTER, {"after": row.position}).scalar() if lag else None,
        row.stopped,
        row.lost,
        row.last_error,
        row.last_error_at,
        count,
        [
            Failure(each.position, each.ticket, each.tries, each.due_at, each.error)
            for each in shown
        ],
    )


_COUNT_FAILURES = select(func.count()).where(failures.c.consumer == bindparam("of"))
_OLDEST_FAILURES = (
    select(failures)
    .where(failures.c.consumer == bindparam("of"))
    .order_by(failures.c.position)
    .limit(MAX_SHOWN_FAILURES)
)
_FIRST_TIME_AFTER = (
    select(log.c.at).where(log.c.position > bindparam("after")).order_by(log.c.position).limit(1)
)
