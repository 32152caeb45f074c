"""Whose last stream was let go for being slow, so that it can be told when it comes back."""

from __future__ import annotations

from collections import OrderedDict

MAX_SESSIONS = 10_000  # sessions


class SlowSubscriptions:
    """Sessions, and where their stream stood."""

    def __init__(self) -> None:
        self._positions: OrderedDict[str, int] = OrderedDict()

    def record(self, session: str, position: int) -> None:
        """A stream of this session was let go."""
        self._positions[session] = position
        if len(self._positions) > MAX_SESSIONS:
            self._positions.popitem(last=False)

    def pop_if_returned(self, session: str, position: int) -> bool:
        """Whether this is that stream. Another tab's of the session stood further on."""
        if position > self._positions.get(session, -1):
            return False
        del self._positions[session]
        return True
