"""Send the dispatches of every target, with pauses for targets that are unavailable.

One transaction records the outcomes of a target and claims its next dispatches. Once the other side
may have acted, the outcome must be recorded, or the effect happens again: neither a shutdown nor a
database error may come between. Only a killed process can cause a repetition, under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any, assert_never

from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from deskwire.dispatches.claims import (
    LEASE,
    Jitter,
    Settlement,
    Wanted,
    claim_due,
    extend_leases,
    find_targets_with_work,
    release_claims,
    settle,
)
from deskwire.dispatches.store import Dispatch, DispatchQueued
from deskwire.dispatches.target import Done, Outcome, Refused, Target, Unavailable
from deskwire.kit.backoff import FIRST_DELAY, Backoff, wait_for_event
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database

POLL_INTERVAL = 1.0  # s between two looks for retries that are due, and for work of other processes
CLAIMED_AT_ONCE = 20  # dispatches per transaction, and as many outcomes
FIRST_PAUSE = 5.0  # s after a target was unavailable; doubles, until a probe succeeds
LONGEST_PAUSE = 300.0  # s
EXTEND_INTERVAL = LEASE / 3000  # s between two extensions of the leases of running attempts
CANCEL_INTERVAL = 0.1  # s between two cancellations of an attempt that goes on

logger = logging.getLogger(__name__)


class Dispatcher:
    """Send to all targets for the life of the process; `on_committed` wakes it."""

    def __init__(
        self,
        db: Database,
        targets: Sequence[Target],
        clock: Clock = now,
        *,
        timer: Callable[[], float] = monotonic,
        jitter: Jitter = random.random,
        first_retry_delay: float = FIRST_DELAY,
    ) -> None:
        self._db = db
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._wake_event = asyncio.Event()
        self._first_retry_delay = first_retry_delay
        self._lanes = {
            target.name: _Lane(target, self._wake_event, timer, jitter) for target in targets
        }

    def on_committed(self, signals: Sequence[Any]) -> None:
        """Wake the dispatcher if something was queued. Called in the writer thread."""
        is_queued = any(isinstance(signal, DispatchQueued) for signal in signals)
        if is_queued and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_event.set)

    def wake(self) -> None:
        """Look for dispatches now. Called on the event loop."""
        self._wake_event.set()

    @property
    def outcomes(self) -> Counter[tuple[str, str]]:
        """The number of outcomes recorded by this process, by target and kind of outcome."""
        return sum((lane.outcomes for lane in self._lanes.values()), Counter[tuple[str, str]]())

    def count_running(self) -> dict[str, int]:
        """Return the number of attempts of each target that run, or are not recorded yet."""
        return {name: len(each.running) + len(each.ended) for name, each in self._lanes.items()}

    async def run(self) -> None:
        """Send until cancelled, and then until what has begun has ended: see `_stop`."""
        backoff = Backoff(self._wake_event, first=self._first_retry_delay)
        try:
            while True:
                self._wake_event.clear()
                try:
                    await self.send_due()
                    backoff.reset()
                except (OperationalError, InterfaceError) as error:
                    logger.error("the database failed; dispatches wait: %s", error.orig)  # noqa: TRY400
                    await backoff.wait()
                else:
                    await wait_for_event(self._wake_event, POLL_INTERVAL)
        finally:
            await self._stop()

    async def send_due(self) -> None:
        """Record what has ended, and begin to send what is due."""
        at = self._clock()
        names = await self._db.read(find_targets_with_work, list(self._lanes), at)
        for name, lane in self._lanes.items():
            if lane.ended or (name in names and lane.list_wanted()):
                await self._turn(lane)
            await self._extend_leases(lane)

    async def _turn(self, lane: _Lane) -> None:
        """Settle and claim, in one transaction, for as long as there is something of either."""
        while True:
            ended = lane.ended[:CLAIMED_AT_ONCE]
            lost, claimed = await self._db.write(
                _settle_and_claim,
                lane.target,
                ended,
                lane.list_wanted(),
                self._clock(),
                lane.jitter,
            )
            lane.on_settled(ended, lost)
            for dispatch in claimed:
                lane.begin(dispatch)
            if not lane.ended and len(claimed) < CLAIMED_AT_ONCE:
                return

    async def _extend_leases(self, lane: _Lane) -> None:
        if expiring := lane.list_expiring():
            await self._db.write(extend_leases, expiring, self._clock())

    async def _stop(self) -> None:
        """Let attempts that have begun end, release the others, and record every outcome."""
        await asyncio.gather(*(lane.stop() for lane in self._lanes.values()))
        for lane in self._lanes.values():
            backoff = Backoff(asyncio.Event(), first=self._first_retry_delay)
            while lane.ended or lane.unbegun:
                try:
                    ended, unbegun = lane.ended[:], lane.unbegun[:]
                    lost = await self._db.write(
                        _settle_and_release, lane.target, ended, unbegun, self._clock(), lane.jitter
                    )
                    lane.on_settled(ended, lost)
                    del lane.unbegun[: len(unbegun)]
                except (OperationalError, InterfaceError) as error:
                    logger.error("outcomes cannot be recorded yet: %s", error.orig)  # noqa: TRY400
                    await backoff.wait()


@dataclass(slots=True, eq=False)
class _Attempt:
    """An attempt that runs; `has_begun` once the other side may act."""

    dispatch: Dispatch
    extended_at: float
    has_begun: bool = False
    task: asyncio.Task[None] | None = None


@dataclass(slots=True, eq=False)
class _Pause:
    """How long a target, or one kind of its effects, is left alone; then one probe is sent."""

    until: float
    seconds: float

    def is_over(self, time: float) -> bool:
        return time >= self.until


@dataclass(slots=True, eq=False)
class _Lane:
    """The attempts of one target in this process."""

    target: Target
    wake_event: asyncio.Event
    timer: Callable[[], float]
    jitter: Jitter
    running: dict[int, _Attempt] = field(default_factory=dict)
    ended: list[Settlement] = field(default_factory=list)
    unbegun: list[Dispatch] = field(default_factory=list)  # cancelled before they had begun
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    pauses: dict[str | None, _Pause] = field(default_factory=dict)  # by kind; None: of all kinds
    _successes: int = 0
    _suspects: dict[int, int] = field(default_factory=dict)  # dispatch → successes when it failed

    def list_wanted(self) -> list[Wanted]:
        """Return what may be claimed: nothing during a pause, and one as a probe after it."""
        free = min(CLAIMED_AT_ONCE, self.target.limit - len(self.running))
        if free <= 0:
            return []
        if (pause := self.pauses.get(None)) is not None:
            return [Wanted(1)] if pause.is_over(self.timer()) and not self.running else []
        paused = tuple(kind for kind in self.pauses if kind is not None)
        probed = {attempt.dispatch.kind for attempt in self.running.values()}
        probes = [
            Wanted(1, kind=kind)
            for kind in paused
            if self.pauses[kind].is_over(self.timer()) and kind not in probed
        ]
        return [*probes[:free], Wanted(free - len(probes[:free]), except_kinds=paused)]

    def begin(self, dispatch: Dispatch) -> None:
        """Send a dispatch in the background."""
        attempt = _Attempt(dispatch, self.timer())
        self.running[dispatch.id] = attempt
        attempt.task = asyncio.create_task(self._send(attempt), name=f"dispatch {dispatch.id}")

    def list_expiring(self) -> list[Dispatch]:
        """Return what is still being sent and whose lease is to be extended now."""
        time = self.timer()
        expiring = [
            attempt
            for attempt in self.running.values()
            if time - attempt.extended_at >= EXTEND_INTERVAL
        ]
        for attempt in expiring:
            attempt.extended_at = time
        return [attempt.dispatch for attempt in expiring]

    def on_settled(self, settled: Sequence[Settlement], lost: Sequence[Settlement]) -> None:
        """Forget what was recorded; `lost` are those that another process had taken over."""
        del self.ended[: len(settled)]
        for settlement in settled:
            kind = "lost" if settlement in lost else _name(settlement.outcome)
            self.outcomes[self.target.name, kind] += 1

    async def stop(self) -> None:
        """Cancel what has not begun, and let the rest end within `stop_timeout`."""
        begun = list[asyncio.Task[None]]()
        for attempt in self.running.values():
            assert attempt.task is not None
            if attempt.has_begun:
                logger.info("waiting for dispatch %d before stopping", attempt.dispatch.id)
                begun.append(attempt.task)
            else:
                attempt.task.cancel()
        if begun:
            await asyncio.wait(begun, timeout=self.target.stop_timeout)
        left = {attempt.task for attempt in self.running.values() if attempt.task is not None}
        while left:  # a library may lose a cancellation: `asyncio.wait_for` of Python 3.11 does
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=CANCEL_INTERVAL)

    async def _send(self, attempt: _Attempt) -> None:
        dispatch = attempt.dispatch
        try:
            async with asyncio.timeout(self.target.timeout):
                outcome = await self.target.send(dispatch, partial(_mark_begun, attempt))
        except asyncio.CancelledError:
            if not attempt.has_begun:
                self.unbegun.append(dispatch)
            raise
        except TimeoutError:
            reason = f"no answer within {self.target.timeout:.0f} s"
            outcome = Unavailable(reason, may_be_the_effect=True)
        except Exception as error:
            logger.exception("dispatch %d to %s failed", dispatch.id, self.target.name)
            outcome = Refused(f"internal error: {type(error).__name__}; see the log")
        finally:
            self.running.pop(dispatch.id, None)
        self.ended.append(Settlement(dispatch, self._judge(dispatch, outcome)))
        self.wake_event.set()

    def _judge(self, dispatch: Dispatch, outcome: Outcome) -> Outcome:
        """Update the target's pause, and return what the outcome counts as."""
        if not isinstance(outcome, Unavailable):
            self.pauses.pop(None, None)
            self.pauses.pop(dispatch.kind, None)
            self._successes += isinstance(outcome, Done)
            self._suspects.pop(dispatch.id, None)
            return outcome
        if outcome.may_be_the_effect:
            successes_before = self._suspects.setdefault(dispatch.id, self._successes)
            if self._successes > successes_before:  # others succeeded, and this one failed again
                del self._suspects[dispatch.id]
                return Refused(outcome.reason, retry_after=outcome.retry_after)
        self._pause(dispatch.kind if outcome.scope == "kind" else None, outcome)
        return outcome

    def _pause(self, kind: str | None, outcome: Unavailable) -> None:
        """Begin a pause, or a longer one after a probe; attempts that ran beside it change none."""
        time, pause = self.timer(), self.pauses.get(kind)
        if pause is not None and not pause.is_over(time):
            return
        seconds = FIRST_PAUSE if pause is None else min(LONGEST_PAUSE, 2 * pause.seconds)
        wait = max(seconds, outcome.retry_after or 0)
        self.pauses[kind] = _Pause(time + wait, seconds)
        name = self.target.name if kind is None else f"{self.target.name} ({kind})"
        logger.warning("%s pauses for %.0f s: %s", name, wait, outcome.reason)


def _mark_begun(attempt: _Attempt) -> None:
    attempt.has_begun = True


def _name(outcome: Outcome) -> str:
    match outcome:
        case Done():
            return "done"
        case Refused():
            return "refused"
        case Unavailable():
            return "unavailable"
        case _:
            assert_never(outcome)


def _settle_and_claim(
    tx: Connection,
    target: Target,
    ended: Sequence[Settlement],
    wanted: Sequence[Wanted],
    at: int,
    jitter: Jitter,
) -> tuple[list[Settlement], list[Dispatch]]:
    lost = settle(tx, target, ended, at, jitter) if ended else []
    return lost, claim_due(tx, target, at, wanted)


def _settle_and_release(
    tx: Connection,
    target: Target,
    ended: Sequence[Settlement],
    unbegun: Sequence[Dispatch],
    at: int,
    jitter: Jitter,
) -> list[Settlement]:
    if unbegun:
        release_claims(tx, unbegun)
    return settle(tx, target, ended, at, jitter) if ended else []
