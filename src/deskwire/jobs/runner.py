"""Run jobs slice by slice, in turns, in the process that serves or in the shell."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.exc import InterfaceError, OperationalError

from deskwire.jobs.store import RUNNABLE_STATES, JobKind, JobRow, jobs
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import Clock, Millis, now
from deskwire.kit.db import Database, savepoint
from deskwire.kit.rows import fetch_first

SLICE_SECONDS = 0.005  # s after which a slice begins nothing more; with its last thing ≤ 10 ms
PAUSE_RATIO = 1  # s of pause for each second of work, so that a job takes at most half the writer
IDLE_PAUSE = 0.1  # s after a slice that did nothing, because the job waits for something
POLL_INTERVAL = 2.0  # s; also looks, in case a wake-up was lost
MAX_ATTEMPTS = 5  # slices that fail in a row, after which the job has failed

logger = logging.getLogger(__name__)


class JobRunner:
    """Run jobs for the life of the process; `wake` says that one was started."""

    def __init__(
        self,
        db: Database,
        kinds: Mapping[str, JobKind],
        clock: Clock = now,
        *,
        timer: Callable[[], float] = perf_counter,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db, self._kinds, self._clock, self._timer = db, kinds, clock, timer
        self._wake_event = asyncio.Event()
        self._backoff = Backoff(self._wake_event, first=first_retry_delay)

    def wake(self) -> None:
        """Look for jobs now."""
        self._wake_event.set()

    async def run(self) -> None:
        """Run jobs until cancelled."""
        while True:
            self._wake_event.clear()
            try:
                await self.run_all()
                self._backoff.reset()
            except (OperationalError, InterfaceError) as error:
                logger.error("the database failed; jobs wait: %s", error.orig)  # noqa: TRY400
                await self._backoff.wait()
            else:
                await wait_for_event(self._wake_event, POLL_INTERVAL)

    async def run_all(self) -> None:
        """Run every job that can run to its end; they take turns, a slice each."""
        while ids := await self._db.read(find_runnable_jobs):
            for id_ in ids:
                began = self._timer()
                done = await self._db.write(run_slice, self._kinds, id_, self._clock(), self._timer)
                pause = PAUSE_RATIO * (self._timer() - began)
                await asyncio.sleep(pause if done else max(pause, IDLE_PAUSE))


def find_runnable_jobs(tx: Connection) -> list[int]:
    """Return the ids of the jobs that are neither paused nor ended."""
    query = select(jobs.c.id).where(jobs.c.state.in_(RUNNABLE_STATES)).order_by(jobs.c.id)
    return list(tx.execute(query).scalars())


def run_slice(
    tx: Connection,
    kinds: Mapping[str, JobKind],
    id_: int,
    at: Millis,
    timer: Callable[[], float] = perf_counter,
) -> int:
    """Run a slice of a job; return the number of things worked on.

    Returns 0 if another process holds the job, if it may not run any more, or if it is waiting.
    """
    row = fetch_first(tx, _CLAIM, JobRow, {"claimed": id_})
    if row is None:
        return 0
    values = _work(tx, kinds.get(row.kind), row, at, timer)
    tx.execute(update(jobs).where(jobs.c.id == id_).values(values))
    return int(values.get("done", row.done)) - row.done


_CLAIM = (
    select(jobs)
    .where(jobs.c.id == bindparam("claimed"), jobs.c.state.in_(RUNNABLE_STATES))
    .with_for_update(skip_locked=True)
)


def _work(
    tx: Connection, kind: JobKind | None, row: JobRow, at: Millis, timer: Callable[[], float]
) -> dict[str, Any]:
    """Do some of a job; return the new values of its row."""
    if kind is None:
        error = "this version does not know this kind of job"
        return {"state": "failed", "error": error, "finished_at": at}
    ends_at = timer() + SLICE_SECONDS
    try:
        with savepoint(tx):
            done = kind.run_slice(
                tx, json.loads(row.arguments), row.cursor, lambda: timer() < ends_at
            )
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.exception("job %d (%s) failed", row.id, row.kind)
        values: dict[str, Any] = {"attempts": row.attempts + 1, "error": type(error).__name__}
        if row.attempts + 1 >= MAX_ATTEMPTS:
            values |= {"state": "failed", "finished_at": at}
        return values
    values = {"cursor": done.cursor, "done": row.done + done.done, "attempts": 0, "error": None}
    if done.is_finished:
        return {**values, "state": "done", "finished_at": at}
    return {**values, "state": "running"}
