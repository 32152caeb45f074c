"""Declare the table of jobs and what a kind of job is; start, pause and read jobs.

queued → running → done
                 → failed   its slices failed several times in a row, or an operator canceled it
paused    by an operator

An operator can resume a paused or a failed job: it is queued again and goes on from its cursor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text, insert, select
from sqlalchemy import update as update_

from deskwire.kit.clock import Millis
from deskwire.kit.db import BigId, acquire_advisory_lock, metadata, wake
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all, fetch_first

JOBS_TOPIC = "deskwire_jobs"  # woken when a job was started, paused or resumed

JobState = Literal["queued", "running", "paused", "done", "failed"]
ACTIVE_STATES: tuple[JobState, ...] = ("queued", "running", "paused")
RUNNABLE_STATES: tuple[JobState, ...] = ("queued", "running")

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("arguments", Text, nullable=False),  # JSON object
    Column("cursor", Text, nullable=False),  # how far it has come; the kind knows what it means
    Column("done", BigInteger, nullable=False),  # things worked on
    Column("total", BigInteger),  # of them, when it was started; None: unknown
    Column("state", Text, nullable=False),
    Column("error", Text),  # type of an exception, or a sentence for the operator
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("finished_at", BigInteger),  # ms
    Column("attempts", Integer, nullable=False),  # slices that failed in a row
    Index("ix_jobs_state_id", "state", "id"),
    sqlite_autoincrement=True,
)


class JobRow:
    """A row of `jobs` (a view for `kit.rows`)."""

    id: int
    kind: str
    arguments: str
    cursor: str
    done: int
    total: int | None
    state: JobState
    error: str | None
    created_at: Millis
    finished_at: Millis | None
    attempts: int


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it has come."""

    id: int
    kind: str
    arguments: Mapping[str, Any]
    done: int
    total: int | None
    state: JobState
    error: str | None
    created_at: Millis
    finished_at: Millis | None


class Slice(NamedTuple):
    """What one transaction did of a job."""

    cursor: str
    done: int  # things worked on in it
    is_finished: bool


HasTimeLeft = Callable[[], bool]  # whether a slice may begin with another thing


@dataclass(frozen=True, slots=True)
class JobKind:
    """A kind of job.

    `count` returns how much there is to do, or None if that takes too long to find out.
    `run_slice` does some of it in its transaction, from a cursor that is "" at first, and asks
    before each thing whether there is time left.
    """

    name: str
    count: Callable[[Connection, Mapping[str, Any]], int | None]
    run_slice: Callable[[Connection, Mapping[str, Any], str, HasTimeLeft], Slice]


def start_job(
    tx: Connection, kind: JobKind, at: Millis, arguments: Mapping[str, Any] | None = None
) -> int:
    """Start a job and return its id. Raises Conflict if one of its kind has not ended."""
    _require_none_active(tx, kind.name)
    row = {
        "kind": kind.name,
        "arguments": json.dumps(arguments or {}),
        "cursor": "",
        "done": 0,
        "total": kind.count(tx, arguments or {}),
        "state": "queued",
        "created_at": at,
        "attempts": 0,
    }
    id_ = tx.execute(insert(jobs).returning(jobs.c.id), row).scalar_one()
    wake(tx, JOBS_TOPIC)
    return int(id_)


def pause_job(tx: Connection, id_: int) -> None:
    """Pause a job after its current slice. Raises NotFound, and Conflict if it does not run."""
    _change_state(tx, id_, RUNNABLE_STATES, {"state": "paused"})


def resume_job(tx: Connection, id_: int) -> None:
    """Let a paused or failed job go on from its cursor.

    Raises NotFound, and Conflict if it is neither, or if another job of its kind has not ended.
    """
    row = _require(tx, id_)
    _require_none_active(tx, row.kind, except_id=id_)
    values = {"state": "queued", "attempts": 0, "error": None, "finished_at": None}
    _change_state(tx, id_, ("paused", "failed"), values)


def cancel_job(tx: Connection, id_: int, at: Millis) -> None:
    """End a job; what it has done stays. Raises NotFound, and Conflict if it has ended."""
    values = {"state": "failed", "error": "canceled", "finished_at": at}
    _change_state(tx, id_, ACTIVE_STATES, values)


def read_job(tx: Connection, id_: int) -> Job:
    """Return a job. Raises NotFound."""
    return _to_job(_require(tx, id_))


def list_jobs(tx: Connection, limit: int) -> list[Job]:
    """Return the newest jobs, newest first."""
    query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
    return [_to_job(row) for row in fetch_all(tx, query, JobRow)]


def find_kind(kinds: Mapping[str, JobKind], name: str) -> JobKind:
    """Return the kind with a name. Raises Invalid, with the names there are."""
    if name not in kinds:
        raise Invalid(
            gettext(
                "There is no kind of job “%(name)s”. Choose one of: %(names)s.",
                name=name[:40],
                names=", ".join(sorted(kinds)),
            )
        )
    return kinds[name]


def _require_none_active(tx: Connection, kind: str, *, except_id: int = 0) -> None:
    acquire_advisory_lock(tx, f"jobs {kind}")
    is_active = (jobs.c.kind == kind) & jobs.c.state.in_(ACTIVE_STATES)
    active = tx.execute(select(jobs.c.id).where(is_active, jobs.c.id != except_id)).scalar()
    if active is not None:
        raise Conflict(
            gettext(
                "Job %(id)s does this already. Wait for it, or end it with "
                "`deskwire jobs cancel %(id)s`.",
                id=active,
            )
        )


def _change_state(
    tx: Connection, id_: int, before: Sequence[JobState], values: Mapping[str, Any]
) -> None:
    is_it = (jobs.c.id == id_) & jobs.c.state.in_(before)
    if tx.execute(update_(jobs).where(is_it).values(values)).rowcount == 0:
        state = _require(tx, id_).state
        raise Conflict(gettext("Job %(id)s is %(state)s.", id=id_, state=state))
    wake(tx, JOBS_TOPIC)


def _require(tx: Connection, id_: int) -> JobRow:
    row = fetch_first(tx, select(jobs).where(jobs.c.id == id_), JobRow)
    if row is None:
        raise NotFound(gettext("There is no job %(id)s. `deskwire jobs list` lists them.", id=id_))
    return row


def _to_job(row: JobRow) -> Job:
    return Job(
        row.id,
        row.kind,
        json.loads(row.arguments),
        row.done,
        row.total,
        row.state,
        row.error,
        row.created_at,
        row.finished_at,
    )
