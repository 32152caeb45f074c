"""Keep streams alive: one timer that sends a tick to 1/27 of the subscriptions each second.

A tick is a comment, which keeps proxies from cutting an idle connection, followed by a named `tick`
frame with the head's cursor for the page's own code: an EventSource never exposes comments.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from deskwire.events.cursor import Cursor
from deskwire.events.frames import HEARTBEAT, control_frame
from deskwire.kit.clock import Clock, Millis
from deskwire.realtime.subscription import Subscription

INTERVAL = 27  # s between two ticks of a stream; proxies cut idle ones after 30 s
SLICE_SIZE = 1_000  # subscriptions per loop turn while ticks are written
NEVER: Millis = 2**63 - 1


class Heartbeat:
    """Send ticks to all subscriptions, and expire those whose session has ended.

    `send_tick_frame` gets the subscriptions that are due and their frame; `expire` gets every
    subscription whose session has ended. A session that was prolonged meanwhile is scheduled
    again with `schedule_expiry`.
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
        for bucket in self._buckets:
            bucket.pop(subscription, None)

    def schedule_expiry(self, expires_at: Millis) -> None:
        """Check the sessions at `expires_at`, or earlier."""
        self._next_expiry = min(self._next_expiry, expires_at)

    async def run(self) -> None:
        """Send ticks until cancelled."""
        turn = 0
        while True:
            await asyncio.sleep(1)
            turn = (turn + 1) % INTERVAL
            self.expire_sessions()
            due = list(self._buckets[turn])
            for first in range(0, len(due), SLICE_SIZE):
                self.send_tick(due[first : first + SLICE_SIZE])
                await asyncio.sleep(0)

    def send_tick(self, subscriptions: Sequence[Subscription]) -> None:
        """Send one tick to these subscriptions."""
        time, cursor = self._clock(), self._cursor()
        tick = control_frame("tick", cursor, position=str(cursor), time=time)
        self._send_tick_frame(subscriptions, HEARTBEAT + tick)

    def expire_sessions(self) -> None:
        """Expire the subscriptions whose sessions have ended: no stream outlives its session."""
        time = self._clock()
        if time < self._next_expiry:
            return
        subscriptions = [each for bucket in self._buckets for each in bucket]
        ends = [each.caller.expires_at for each in subscriptions]
        self._next_expiry = min((end for end in ends if end > time), default=NEVER)
        for subscription in subscriptions:
            if subscription.caller.expires_at <= time:
                self._expire(subscription)
