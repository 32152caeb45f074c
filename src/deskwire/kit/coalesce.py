"""A pace: what is asked for very often is done at once, and after that only every so often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """Does `act` at once, then again whenever `gap` s are over in which it was asked for.

    `later`: how something is done after so many seconds; the loop's own by default.
    """

    def __init__(
        self,
        act: Callable[[], None],
        gap: float,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._act = act
        self._gap = gap
        self._later = later or _on_the_loop
        self._is_resting = False
        self._is_asked = False

    def ask(self) -> None:
        """Have it done. Called on the event loop; the last one to ask is never left out."""
        if self._is_resting:
            self._is_asked = True
            return
        self._is_resting, self._is_asked = True, False
        self._later(self._gap, self._go_on)
        self._act()

    def _go_on(self) -> None:
        self._is_resting = False
        if self._is_asked:
            self.ask()


def _on_the_loop(seconds: float, act: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_later(seconds, act)
