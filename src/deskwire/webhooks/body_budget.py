"""Bound the bodies that are being read, and share the bound among the networks they come from.

Anybody may send a body, and only its end tells whether it was signed. Where there is no room for
another one, a body that trickles is cut off, or else the oldest of the network that has the most.
So strangers who hold their connections open cannot keep out a sender that sends.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType

MAX_BODIES = 64  # bodies in memory at once, up to 1 MiB each
GRACE = 1.0  # s before the pace of a body counts
MIN_PACE = 4096.0  # bytes/s; slower bodies trickle. A megabyte has 10 s in all


class TooManyBodies(Exception):
    """There is no room, and none could be made."""


class BodyBudget:
    """The bodies being read. `clock` is in seconds."""

    def __init__(
        self, max_bodies: int = MAX_BODIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bodies = max_bodies
        self._clock = clock
        self._bodies: dict[IncomingBody, None] = {}  # oldest first

    def admit(self, network: str) -> IncomingBody:
        """Make room for a body from `network`; enter the result while it is being read.

        Raises TooManyBodies.
        """
        if len(self._bodies) >= self._max_bodies:
            victim = self._choose_victim(network)
            if victim is None:
                raise TooManyBodies
            victim.cut_off()
            self.remove(victim)
        body = IncomingBody(self, network, self._clock())
        self._bodies[body] = None
        return body

    def remove(self, body: IncomingBody) -> None:
        """Forget a body that was read or cut off."""
        self._bodies.pop(body, None)

    def _choose_victim(self, network: str) -> IncomingBody | None:
        now = self._clock()
        if trickling := [each for each in self._bodies if each.is_trickling(now)]:
            return min(trickling, key=lambda each: each.size / (now - each.started_at))
        counts = Counter(each.network for each in self._bodies)
        most = max(counts.values())
        return _oldest_of(self._bodies, counts, most) if counts[network] < most else None


def _oldest_of(
    bodies: Iterable[IncomingBody], counts: Counter[str], most: int
) -> IncomingBody | None:
    return next((each for each in bodies if counts[each.network] == most), None)


class IncomingBody:
    """A body being read by the task that enters it; raises TimeoutError there if it is cut off."""

    __slots__ = ("_budget", "_is_cut_off", "_task", "network", "size", "started_at")

    def __init__(self, budget: BodyBudget, network: str, started_at: float) -> None:
        self.network = network
        self.started_at = started_at  # s
        self.size = 0  # bytes received so far
        self._budget = budget
        self._task = asyncio.current_task()
        self._is_cut_off = False

    def is_trickling(self, now: float) -> bool:
        """Whether the body is past its grace and arrives too slowly."""
        age = now - self.started_at
        return age >= GRACE and self.size < MIN_PACE * age

    def cut_off(self) -> None:
        """Stop the task that reads the body."""
        if self._task is not None:
            self._is_cut_off = True
            self._task.cancel()

    def __enter__(self) -> IncomingBody:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._budget.remove(self)
        if self._task is None or not self._is_cut_off:
            return
        # A remaining cancellation came from elsewhere, and stays one.
        if self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error
