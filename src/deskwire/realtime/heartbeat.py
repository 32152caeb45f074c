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
from deskwire.realtime.subscription import Seat

BEATS = 27  # s between two ticks of a seat; under the 30 s after which proxies cut idle streams
SLICE = 1_000  # seats per turn of the loop while a beat is written
NEVER: Millis = 2**63 - 1


class Heart:
    """`visit` gets the seats that are due and their frame; `expire` every seat whose session ended.

    A session that was prolonged meanwhile is noted again by `expect`.
    """

    def __init__(
        self,
        clock: Clock,
        cursor: Callable[[], Cursor],
        visit: Callable[[Sequence[Seat], bytes], None],
        expire: Callable[[Seat], None],
    ) -> None:
        self._clock = clock
        self._cursor = cursor
        self._visit = visit
        self._expire = expire
        self._seats: list[dict[Seat, None]] = [{} for _ in range(BEATS)]
        self._added = 0
        self._next_end = NEVER  # ms; when the first session of an open stream ends

    def add(self, seat: Seat) -> None:
        self._added += 1
        self._seats[self._added % BEATS][seat] = None

    def remove(self, seat: Seat) -> None:
        for seats in self._seats:
            seats.pop(seat, None)

    def expect(self, end: Millis) -> None:
        """Some session ends then."""
        self._next_end = min(self._next_end, end)

    async def run(self) -> None:
        """Beat until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(1)
            turn = (turn + 1) % BEATS
            self.end_sessions()
            seats = list(self._seats[turn])
            for first in range(0, len(seats), SLICE):
                self.beat(seats[first : first + SLICE])
                await asyncio.sleep(0)

    def beat(self, seats: Sequence[Seat]) -> None:
        """One tick for these seats."""
        moment, here = self._clock(), self._cursor()
        tick = control_frame("tick", here, position=str(here), time=moment)
        self._visit(seats, HEARTBEAT + tick)

    def end_sessions(self) -> None:
        """Name the seats whose sessions are over by the clock; a stream never outlives its own."""
        moment = self._clock()
        if moment < self._next_end:
            return
        everyone = [seat for seats in self._seats for seat in seats]
        ends = [seat.caller.expires_at for seat in everyone]
        self._next_end = min((end for end in ends if end > moment), default=NEVER)
        for seat in everyone:
            if seat.caller.expires_at <= moment:
                self._expire(seat)
