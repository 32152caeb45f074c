"""Show operators the dispatches, and let them retry, dismiss or release some."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Text, bindparam, case, delete, func, select, update

from deskwire.dispatches.claims import promote_next
from deskwire.dispatches.store import (
    DISPATCHES_TOPIC,
    SECRET_TARGETS,
    TIMERS,
    UNFINISHED_STATES,
    DispatchRow,
    DispatchState,
    dispatches,
)
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import acquire_advisory_lock, wake
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all, fetch_first

RETENTION = 30 * DAY  # ms; finished dispatches answer “was it sent?”


@dataclass(frozen=True, slots=True)
class DispatchSummary:
    """A dispatch as operators see it. The payload may hold a secret."""

    id: int
    target: str
    key: str
    kind: str
    state: DispatchState
    attempts: int
    due_at: Millis
    created_at: Millis
    finished_at: Millis | None
    last_error: str | None
    result: str | None
    position: int | None
    payload: Mapping[str, Any] = field(repr=False)

    @property
    def is_emptied(self) -> bool:
        """Whether its payload held a secret and was emptied, so that it cannot be sent again."""
        return self.finished_at is not None and not self.payload and self.target != TIMERS


def list_dispatches(
    tx: Connection, limit: int, *, target: str = "", state: str = "", before: int = 0
) -> list[DispatchSummary]:
    """Return the newest dispatches, newest first.

    An empty `target` or `state` matches any. `before` is an exclusive id; 0 for no bound.
    """
    query = select(dispatches).order_by(dispatches.c.id.desc()).limit(limit)
    if target:
        query = query.where(dispatches.c.target == target)
    if state:
        query = query.where(dispatches.c.state == state)
    if before:
        query = query.where(dispatches.c.id < before)
    return [_summarize(row) for row in fetch_all(tx, query, DispatchRow)]


def read_dispatch(tx: Connection, id_: int) -> DispatchSummary:
    """Return one dispatch. Raises NotFound."""
    return _summarize(_require(tx, id_))


def list_targets(tx: Connection) -> Iterator[str]:
    """Yield the targets of the dispatches; each costs one lookup in an index."""
    name: str | None = ""
    while (name := tx.execute(_NEXT_TARGET, {"last": name}).scalar()) is not None:
        yield name


_NEXT_TARGET = select(func.min(dispatches.c.target)).where(
    dispatches.c.target > bindparam("last", type_=Text)
)


def find_blocking(tx: Connection, dispatch: DispatchSummary) -> int | None:
    """Return the id of the earlier dispatch that a waiting one is behind; None if it is not.

    A dead one is only named if no other is next: at some targets, the dead ones do not block.
    """
    if dispatch.state != "waiting":
        return None
    for states in (("new", "ready", "held"), ("dead",)):
        query = select(func.min(dispatches.c.id)).where(
            dispatches.c.target == dispatch.target,
            dispatches.c.key == dispatch.key,
            dispatches.c.id < dispatch.id,
            dispatches.c.state.in_(states),
        )
        id_: int | None = tx.execute(query).scalar()
        if id_ is not None:
            return id_
    return None


def count_by_target_and_state(tx: Connection) -> dict[tuple[str, str], int]:
    """Return the number of unfinished and dead dispatches of each target in each state."""
    columns = dispatches.c.target, dispatches.c.state
    query = select(*columns, func.count()).group_by(*columns)
    query = query.where(  # both columns, so that the index passes over all that is done
        dispatches.c.target.in_([*list_targets(tx)]),
        dispatches.c.state.in_((*UNFINISHED_STATES, "dead")),
    )
    return {(row[0], row[1]): row[2] for row in tx.execute(query)}


def find_oldest_due(tx: Connection) -> dict[str, Millis]:
    """Return when the longest waiting dispatch of each target became due."""
    oldest = dict[str, Millis]()
    for target in list_targets(tx):
        query = select(func.min(dispatches.c.due_at)).where(
            dispatches.c.target == target, dispatches.c.state.in_(("new", "ready"))
        )
        if (due_at := tx.execute(query).scalar()) is not None:
            oldest[target] = due_at
    return oldest


def retry_dispatch(tx: Connection, id_: int, at: Millis) -> None:
    """Send a dead or dismissed dispatch again, or make the next attempt due now.

    Raises NotFound, and Conflict if there is nothing to send: it is done, held, or was emptied.
    """
    row = _lock(tx, id_)
    if row.state == "done":
        raise Conflict(gettext("Dispatch %(id)s is done, so it can’t be sent again.", id=id_))
    if row.state == "held":
        raise Conflict(
            gettext(
                "Dispatch %(id)s has been held since the database was restored. Release the held "
                "dispatches to send it.",
                id=id_,
            )
        )
    if _summarize(row).is_emptied:
        raise Conflict(
            gettext(
                "Dispatch %(id)s can’t be sent again: its text may have held a one-time link and "
                "was erased. Trigger it again instead.",
                id=id_,
            )
        )
    state = row.state if row.finished_at is None else _first_state(row)
    values = {"state": state, "due_at": at, "attempts": 0, "finished_at": None}
    _update(tx, id_, values)


def dismiss_dispatch(tx: Connection, id_: int, at: Millis) -> None:
    """Give up a dispatch; those behind it go on. One that may hold a secret is emptied.

    Raises NotFound, and Conflict if it is done, dismissed, or being sent.
    """
    row = _lock(tx, id_)
    if row.state in ("done", "dismissed"):
        raise Conflict(gettext("Dispatch %(id)s is already finished.", id=id_))
    if row.claimed_until > at:
        raise Conflict(
            gettext("Dispatch %(id)s is being sent right now. Try again in a minute.", id=id_)
        )
    values = {"state": "dismissed", "finished_at": at, "claimed_by": None}
    if row.target in SECRET_TARGETS:
        values["payload"] = "{}"
    _update(tx, id_, values)
    promote_next(tx, row.target, row.key)


def release_dispatches(tx: Connection, *, target: str = "") -> int:
    """Send what was held since the database was restored; return the number of dispatches.

    An empty `target` releases those of all targets.
    """
    released = 0
    for name in [target] if target else [*list_targets(tx)]:
        acquire_advisory_lock(tx, f"dispatches {name}")
        held = (dispatches.c.target == name) & (dispatches.c.state == "held")
        state = "ready" if name == TIMERS else "new"
        released += tx.execute(update(dispatches).where(held).values(state=state)).rowcount
    wake(tx, DISPATCHES_TOPIC)
    return released


def dismiss_held(tx: Connection, at: Millis, *, target: str = "") -> int:
    """Give up what was held since the database was restored; return the number of dispatches.

    An empty `target` gives up those of all targets.
    """
    held = dispatches.c.state == "held"
    if target:
        held &= dispatches.c.target == target
    has_secrets = dispatches.c.target.in_(SECRET_TARGETS)
    payload = case((has_secrets, "{}"), else_=dispatches.c.payload)
    values = {"state": "dismissed", "finished_at": at, "payload": payload}
    dismissed = tx.execute(update(dispatches).where(held).values(values)).rowcount
    wake(tx, DISPATCHES_TOPIC)
    return dismissed


def delete_finished(tx: Connection, before: Millis, limit: int) -> int:
    """Delete up to `limit` dispatches that were finished before a time; return their number.

    Also dead ones: RETENTION is time enough for an operator to decide about them.
    """
    states = ("done", "dismissed", "dead")
    old = (
        select(dispatches.c.id)
        .where(dispatches.c.finished_at < before, dispatches.c.state.in_(states))
        .order_by(dispatches.c.finished_at)
        .limit(limit)
    )
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(delete(dispatches).where(dispatches.c.id.in_(ids)))
    return len(ids)


def _lock(tx: Connection, id_: int) -> DispatchRow:
    """Return a row as it is once no process settles or claims its target. Raises NotFound."""
    acquire_advisory_lock(tx, f"dispatches {_require(tx, id_).target}")
    return _require(tx, id_)


def _require(tx: Connection, id_: int) -> DispatchRow:
    row = fetch_first(tx, select(dispatches).where(dispatches.c.id == id_), DispatchRow)
    if row is None:
        raise NotFound(
            gettext(
                "There is no dispatch %(id)s. Finished ones are deleted after %(days)s days.",
                id=id_,
                days=RETENTION // DAY,
            )
        )
    return row


def _first_state(row: DispatchRow) -> DispatchState:
    return "ready" if row.target == TIMERS else "new"


def _update(tx: Connection, id_: int, values: Mapping[str, Any]) -> None:
    tx.execute(update(dispatches).where(dispatches.c.id == id_).values(values))
    wake(tx, DISPATCHES_TOPIC)


def _summarize(row: DispatchRow) -> DispatchSummary:
    return DispatchSummary(
        row.id,
        row.target,
        row.key,
        row.kind,
        row.state,
        row.attempts,
        row.due_at,
        row.created_at,
        row.finished_at,
        row.last_error,
        row.result,
        row.position,
        json.loads(row.payload),
    )
