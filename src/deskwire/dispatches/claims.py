"""Claim the dispatches that are due, and record their outcomes, in short transactions.

A claim is a lease with an id of its own: an outcome is recorded only while it is held, so a
process that was stopped for longer changes nothing when it wakes. An advisory lock for each target
keeps two processes from claiming at once; queueing takes no lock.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import assert_never

from sqlalchemy import (
    Connection,
    Integer,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from deskwire.dispatches.store import DISPATCHES_TOPIC, Dispatch, DispatchRow, dispatches
from deskwire.dispatches.target import MAX_RESULT, Done, Outcome, Refused, Target, Unavailable
from deskwire.kit.clock import HOUR, SECOND, Millis
from deskwire.kit.db import acquire_advisory_lock, pad_in_list, wake
from deskwire.kit.ids import new_secret
from deskwire.kit.rows import fetch_all

LEASE = 60 * SECOND  # ms; extended while an attempt runs
ADMITTED_AT_ONCE = 100  # new dispatches looked at in one transaction
FIRST_RETRY_DELAY = 5 * SECOND  # ms; at most, and doubles with each attempt (full jitter)
LONGEST_RETRY_DELAY = HOUR  # ms
MAX_ATTEMPTS = 10  # refusals, after which a dispatch is dead
TOO_OLD = "It was too old to be sent."  # the error of a dispatch that was never refused

Jitter = Callable[[], float]  # from 0 to 1


@dataclass(frozen=True, slots=True)
class Settlement:
    """A dispatch and the outcome of its attempt."""

    dispatch: Dispatch
    outcome: Outcome


def find_targets_with_work(tx: Connection, names: Sequence[str], at: Millis) -> list[str]:
    """Return those of `names` that have new dispatches, or some that are due."""
    return [
        name for name in names if tx.execute(_HAS_WORK, {"of": name, "by": at}).scalar() is not None
    ]


_HAS_WORK = (
    select(1)
    .where(
        dispatches.c.target == bindparam("of"),
        or_(
            dispatches.c.state == "new",
            and_(
                dispatches.c.state == "ready",
                dispatches.c.due_at <= bindparam("by"),
                dispatches.c.claimed_until <= bindparam("by"),
            ),
        ),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many dispatches of which kinds to claim."""

    limit: int
    kind: str | None = None  # only of this one
    except_kinds: tuple[str, ...] = ()


def claim_due(
    tx: Connection, target: Target, at: Millis, wanted: Iterable[Wanted]
) -> list[Dispatch]:
    """Claim dispatches that are due, those that have waited longest first.

    Marks those that are too old as dead, and those that are not to be sent any more as done.
    """
    acquire_advisory_lock(tx, f"dispatches {target.name}")
    _admit_new(tx, target)
    claimed = list[Dispatch]()
    for row in chain.from_iterable(_read_due(tx, target, at, each) for each in wanted):
        if target.max_age is not None and row.created_at <= at - target.max_age:
            _finish(tx, target, row.id, row.key, "dead", at, last_error=row.last_error or TOO_OLD)
            continue
        dispatch = _claim(row)
        if (obstacle := target.find_obstacle(tx, dispatch, at)) is not None:
            _finish(tx, target, row.id, row.key, "done", at, result=_clip(obstacle))
        else:
            claimed.append(dispatch)
    if claimed:
        values = [{"of": each.id, "claim": each.claim, "until": at + LEASE} for each in claimed]
        tx.execute(_CLAIM, values)
    return claimed


def _read_due(tx: Connection, target: Target, at: Millis, wanted: Wanted) -> Sequence[DispatchRow]:
    if not wanted.limit:
        return ()
    query = _DUE
    if wanted.kind is not None:
        query = query.where(dispatches.c.kind == wanted.kind)
    if wanted.except_kinds:
        query = query.where(dispatches.c.kind.not_in(wanted.except_kinds))
    due = {"of": target.name, "by": at, "at_most": wanted.limit}
    return fetch_all(tx, query, DispatchRow, due)


def extend_leases(tx: Connection, claimed: Sequence[Dispatch], at: Millis) -> None:
    """Keep what is being sent claimed for another LEASE."""
    values = [{"of": each.id, "claim": each.claim, "until": at + LEASE} for each in claimed]
    tx.execute(_EXTEND, values)


def settle(
    tx: Connection,
    target: Target,
    settlements: Sequence[Settlement],
    at: Millis,
    jitter: Jitter = random.random,
) -> list[Settlement]:
    """Record outcomes; return those whose claim was lost to another process, unrecorded."""
    acquire_advisory_lock(tx, f"dispatches {target.name}")
    wake(tx, DISPATCHES_TOPIC)
    lost = list[Settlement]()
    for settlement in settlements:
        dispatch, outcome = settlement.dispatch, settlement.outcome
        held = tx.execute(_IS_CLAIMED, {"of": dispatch.id, "claim": dispatch.claim}).scalar()
        if held is None:
            lost.append(settlement)
            continue
        match outcome:
            case Done(result):
                _finish(tx, target, dispatch.id, dispatch.key, "done", at, result=_clip(result))
            case Refused():
                _settle_refusal(tx, target, dispatch, outcome, at, jitter)
            case Unavailable(reason):  # it goes behind the others, so that each is tried in turn
                _postpone(tx, dispatch, at, dispatch.attempts, reason)
            case _:
                assert_never(outcome)
    return lost


def release_claims(tx: Connection, claimed: Sequence[Dispatch]) -> None:
    """Give up claims whose attempts had not begun, so that another process can send them."""
    tx.execute(_RELEASE, [{"of": each.id, "claim": each.claim} for each in claimed])


def retry_delay(attempts: int, jitter: Jitter) -> Millis:
    """Return how long to wait after so many refusals, in ms (full jitter)."""
    return int(min(LONGEST_RETRY_DELAY, FIRST_RETRY_DELAY * 2 ** min(attempts - 1, 20)) * jitter())


def promote_next(tx: Connection, target: str, key: str) -> None:
    """Make the first waiting dispatch of a key new, so that the next claim decides about it."""
    tx.execute(_PROMOTE, {"of": target, "next_of": key})


def _settle_refusal(
    tx: Connection,
    target: Target,
    dispatch: Dispatch,
    refused: Refused,
    at: Millis,
    jitter: Jitter,
) -> None:
    attempts = dispatch.attempts + 1
    if refused.recipient_gone:
        target.record_gone(tx, dispatch, at)
    if refused.permanent or attempts >= MAX_ATTEMPTS:
        _finish(
            tx,
            target,
            dispatch.id,
            dispatch.key,
            "dead",
            at,
            attempts=attempts,
            last_error=_clip(refused.reason),
        )
        return
    delay = retry_delay(attempts, jitter)
    if refused.retry_after is not None:
        delay = max(delay, int(refused.retry_after * SECOND))
    _postpone(tx, dispatch, at + delay, attempts, refused.reason)


def _postpone(
    tx: Connection, dispatch: Dispatch, due_at: Millis, attempts: int, reason: str
) -> None:
    values = {
        "due_at": due_at,
        "attempts": attempts,
        "last_error": _clip(reason),
        "claimed_by": None,
        "claimed_until": 0,
    }
    tx.execute(update(dispatches).where(dispatches.c.id == dispatch.id).values(values))


def _finish(
    tx: Connection,
    target: Target,
    id_: int,
    key: str,
    state: str,
    at: Millis,
    **values: str | int | None,
) -> None:
    if target.has_secrets:  # an unused link must not survive in a copy of the database
        values["payload"] = "{}"
    values |= {"state": state, "finished_at": at, "claimed_by": None, "claimed_until": 0}
    tx.execute(update(dispatches).where(dispatches.c.id == id_).values(values))
    if state == "done" or target.on_dead == "skips":
        promote_next(tx, target.name, key)


def _admit_new(tx: Connection, target: Target) -> None:
    """Decide which new dispatches are the next of their key, and which wait behind others."""
    ids = list(tx.execute(_NEW, {"of": target.name, "at_most": ADMITTED_AT_ONCE}).scalars())
    if ids:
        admit = _ADMIT_BEHIND_DEAD if target.on_dead == "blocks" else _ADMIT
        tx.execute(admit.where(dispatches.c.id.in_(pad_in_list(ids))))


def _claim(row: DispatchRow) -> Dispatch:
    return Dispatch(
        row.id,
        row.target,
        row.key,
        row.kind,
        json.loads(row.payload),
        row.attempts,
        row.created_at,
        row.position,
        new_secret(),
    )


def _clip(text: str) -> str:
    return text[:MAX_RESULT]


_NEW = (
    select(dispatches.c.id)
    .where(dispatches.c.target == bindparam("of"), dispatches.c.state == "new")
    .order_by(dispatches.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_other = dispatches.alias("other")


def _build_admit(*blocking: str) -> Update:
    is_behind = exists().where(
        _other.c.target == dispatches.c.target,
        _other.c.key == dispatches.c.key,
        or_(
            _other.c.state == "ready",
            and_(_other.c.id < dispatches.c.id, _other.c.state.in_(("new", "waiting", *blocking))),
        ),
    )
    return update(dispatches).values(state=case((is_behind, "waiting"), else_="ready"))


_ADMIT = _build_admit()
_ADMIT_BEHIND_DEAD = _build_admit("held", "dead")
_DUE = (
    select(dispatches)
    .where(
        dispatches.c.target == bindparam("of"),
        dispatches.c.state == "ready",
        dispatches.c.due_at <= bindparam("by"),
        dispatches.c.claimed_until <= bindparam("by"),
    )
    .order_by(dispatches.c.due_at, dispatches.c.id)
    .limit(bindparam("at_most", type_=Integer))
)
_IS_MINE = and_(dispatches.c.id == bindparam("of"), dispatches.c.claimed_by == bindparam("claim"))
_IS_CLAIMED = select(1).where(_IS_MINE)
_CLAIM = (
    update(dispatches)
    .where(dispatches.c.id == bindparam("of"))
    .values(claimed_by=bindparam("claim"), claimed_until=bindparam("until"))
)
_EXTEND = update(dispatches).where(_IS_MINE).values(claimed_until=bindparam("until"))
_RELEASE = update(dispatches).where(_IS_MINE).values(claimed_by=None, claimed_until=0)
_waiting = dispatches.alias("waiting")
_PROMOTE = (
    update(dispatches)
    .where(
        dispatches.c.id
        == select(func.min(_waiting.c.id))
        .where(
            _waiting.c.target == bindparam("of"),
            _waiting.c.key == bindparam("next_of"),
            _waiting.c.state == "waiting",
        )
        .scalar_subquery()
    )
    .values(state="new")
)
