"""Whose last stream was let go for being slow, so that it can be told when it comes back."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 10_000  # sessions


class Slow:
    """Sessions, and where their stream stood."""

    def __init__(self) -> None:
        self._stood: OrderedDict[str, int] = OrderedDict()

    def note(self, session: str, position: int) -> None:
        """A stream of this session was let go."""
        self._stood[session] = position
        if len(self._stood) > REMEMBERED:
            self._stood.popitem(last=False)

    def came_back(self, session: str, position: int) -> bool:
        """Whether this is that stream. Another tab's of the session stood further on."""
        if position > self._stood.get(session, -1):
            return False
        del self._stood[session]
        return True
