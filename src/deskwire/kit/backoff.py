"""Wait longer after each failure (exponential backoff), until an event says to try again."""

from __future__ import annotations

import asyncio

FIRST_DELAY = 0.2  # s after the first failure; doubles with each further one
LONGEST_DELAY = 5.0  # s; a try costs a system that is down nothing, and waiting costs its users
LEAST_DELAY = 0.2  # s; wake-ups must not turn an outage into a storm of tries


class Backoff:
    """The pauses of a service between its tries; `wake_event` ends one early.

    The event is not cleared here, but by the loop that waits for work.
    """

    def __init__(
        self,
        wake_event: asyncio.Event,
        *,
        first: float = FIRST_DELAY,
        longest: float = LONGEST_DELAY,
    ) -> None:
        self._wake_event = wake_event
        self._first = first
        self._longest = longest
        self._failures = 0

    def reset(self) -> None:
        """Begin with the shortest pause again: a try succeeded."""
        self._failures = 0

    async def wait(self) -> None:
        """Wait after a failure, until it is time for the next try or the event is set."""
        delay = min(self._longest, self._first * 2 ** min(self._failures, 30))
        self._failures += 1
        await asyncio.sleep(min(LEAST_DELAY, delay))
        await wait_for_event(self._wake_event, delay - LEAST_DELAY)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, at most `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
