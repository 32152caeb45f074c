"""Declare the table of dispatches, and queue them in the transaction that causes them.

new → ready    it is the next of its key
    → waiting  behind an earlier one of its key
ready → done | dead (refused for good, or too old)
held      not sent until an operator releases it: the database was restored from a copy
dismissed an operator gave it up
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, insert, update

from deskwire.kit.clock import Millis
from deskwire.kit.db import BigId, metadata, on_commit

DispatchState = Literal["new", "ready", "waiting", "held", "done", "dead", "dismissed"]
DISPATCH_STATES: tuple[DispatchState, ...] = get_args(DispatchState)
UNFINISHED_STATES: tuple[DispatchState, ...] = ("new", "ready", "waiting", "held")
DISPATCHES_TOPIC = "deskwire_dispatches"  # woken when one was sent, or an operator changed some
TIMERS = "desk"  # the target of timers: their effect is an action of ours
SECRET_TARGETS = frozenset({"mail"})  # their payloads are emptied once a dispatch is finished

dispatches = Table(
    "dispatches",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("target", Text, nullable=False),  # "mail", "desk", …
    Column("key", Text, nullable=False),  # the object it is about; sent in order per key
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),  # JSON object of ids, never of texts or names
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),  # that the other side refused
    Column("due_at", BigInteger, nullable=False),  # ms; not sent before
    Column("claimed_by", Text),  # unique to each claim
    Column("claimed_until", BigInteger, nullable=False),  # ms; 0: not claimed
    Column("last_error", Text),
    Column("result", Text),  # of the other side's answer: status and id
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("finished_at", BigInteger),  # ms
    Column("position", BigInteger),  # of the event it was planned for
    Index("ix_dispatches_target_state_due_at", "target", "state", "due_at"),
    Index("ix_dispatches_target_key_state_id", "target", "key", "state", "id"),
    Index("ix_dispatches_finished_at", "finished_at"),
    sqlite_autoincrement=True,
)


class DispatchRow:
    """A row of `dispatches` (a view for `kit.rows`)."""

    id: int
    target: str
    key: str
    kind: str
    payload: str
    state: DispatchState
    attempts: int
    due_at: Millis
    claimed_by: str | None
    claimed_until: Millis
    last_error: str | None
    result: str | None
    created_at: Millis
    finished_at: Millis | None
    position: int | None


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A claimed dispatch, as its target sends it. The payload may hold a secret."""

    id: int
    target: str
    key: str
    kind: str
    payload: Mapping[str, Any] = field(repr=False)
    attempts: int
    created_at: Millis
    position: int | None
    claim: str


@dataclass(frozen=True, slots=True)
class DispatchQueued:
    """The signal that wakes the dispatcher of this process after a commit."""

    target: str


def queue(
    tx: Connection,
    target: str,
    key: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    at: Millis,
    due_at: Millis | None = None,
    position: int | None = None,
) -> int:
    """Queue a dispatch, to be sent once this transaction has committed; return its id.

    It is not sent before `due_at` (ms), which defaults to `at`, the current time (ms).
    """
    row = {
        "target": target,
        "key": key,
        "kind": kind,
        "payload": json.dumps(payload, ensure_ascii=False),
        "state": "new",
        "attempts": 0,
        "due_at": at if due_at is None else due_at,
        "claimed_until": 0,
        "created_at": at,
        "position": position,
    }
    id_ = tx.execute(insert(dispatches).returning(dispatches.c.id), row).scalar_one()
    on_commit(tx, DispatchQueued(target))
    return int(id_)


def hold_unfinished(tx: Connection) -> int:
    """Hold back every unfinished dispatch until an operator releases it; return their number.

    For a restored copy of a database: what it has not sent may have been sent since.
    """
    is_waiting = dispatches.c.state.in_(("new", "ready", "waiting"))
    values = {"state": "held", "claimed_by": None, "claimed_until": 0}
    return tx.execute(update(dispatches).where(is_waiting).values(values)).rowcount
