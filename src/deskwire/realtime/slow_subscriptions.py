"""Remember slow streams that were closed, so that the reconnecting client learns the reason."""

from __future__ import annotations

from collections import OrderedDict

MAX_SESSIONS = 10_000  # sessions


class SlowSubscriptions:
    """Sessions, with the position their closed stream had reached."""

    def __init__(self) -> None:
        self._positions: OrderedDict[str, int] = OrderedDict()

    def record(self, session: str, position: int) -> None:
        """Remember that a stream of this session was closed at `position`."""
        self._positions[session] = position
        if len(self._positions) > MAX_SESSIONS:
            self._positions.popitem(last=False)

    def pop_if_returned(self, session: str, position: int) -> bool:
        """Whether a stream that resumes at `position` is the one that was closed; forget it then.

        The stream of another tab of that session has a later position.
        """
        if position > self._positions.get(session, -1):
            return False
        del self._positions[session]
        return True
