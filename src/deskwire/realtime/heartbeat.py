"""The heart: one timer for every stream. Each second it visits 1/27 of the seats.

A beat is a comment, which keeps proxies from cutting a quiet connection, and a named `tick` with
the head's cursor, which the page's own code can see: an EventSource never shows comments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from deskwire.events.cursor import Cursor
from deskwire.events.frames import HEARTBEAT, control_frame
from deskwire.kit.clock import Clock, Millis
from deskwire.realtime.subscription import Subscription

INTERVAL = 27  # s between two ticks of a seat; under the 30 s after which proxies cut idle streams
SLICE_SIZE = 1_000  # seats per turn of the loop while a beat is written
NEVER: Millis = 2**63 - 1


class Heartbeat:
    """`visit` gets the seats that are due and their frame; `expire` every seat whose session ended.

    A session that was prolonged meanwhile is noted again by `expect`.
    """

    def __init__(
        self,
        clock: Clock,
        cursor: Callable[[], Cursor],
        send_tick_frame: Callable[[Sequence[Subscription], bytes], None],
        expire: Callable[[Subscription], None],
    ) -> None:
        self._clock = clock
        self._cursor = cursor
        self._send_tick_frame = send_tick_frame
        self._expire = expire
        self._buckets: list[dict[Subscription, None]] = [{} for _ in range(INTERVAL)]
        self._added = 0
        self._next_expiry = NEVER  # ms; when the first session of an open stream ends

    def add(self, subscription: Subscription) -> None:
        self._added += 1
        self._buckets[self._added % INTERVAL][subscription] = None

    def remove(self, subscription: Subscription) -> None:
        for seats in self._buckets:
            seats.pop(subscription, None)

    def schedule_expiry(self, expires_at: Millis) -> None:
        """Some session ends then."""
        self._next_expiry = min(self._next_expiry, expires_at)

    async def run(self) -> None:
        """Beat until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(1)
            turn = (turn + 1) % INTERVAL
            self.expire_sessions()
            seats = list(self._buckets[turn])
            for first in range(0, len(seats), SLICE_SIZE):
                self.send_tick(seats[first : first + SLICE_SIZE])
                await asyncio.sleep(0)

    def send_tick(self, subscriptions: Sequence[Subscription]) -> None:
        """One tick for these seats."""
        moment, here = self._clock(), self._cursor()
        tick = control_frame("tick", here, position=str(here), time=moment)
        self._send_tick_frame(subscriptions, HEARTBEAT + tick)

    def expire_sessions(self) -> None:
        """Name the seats whose sessions are over by the clock; a stream never outlives its own."""
        moment = self._clock()
        if moment < self._next_expiry:
            return
        everyone = [seat for seats in self._buckets for seat in seats]
        ends = [seat.caller.expires_at for seat in everyone]
        self._next_expiry = min((end for end in ends if end > moment), default=NEVER)
        for seat in everyone:
            if seat.caller.expires_at <= moment:
                self._expire(seat)
