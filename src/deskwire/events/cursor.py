"""Format and parse cursors: the position a reader of the log has reached, opaque to clients.

A cursor reads `EPOCH-POSITION`. The epoch identifies the log: a restored backup gets a new one, so
that a cursor from the lost part is recognized, instead of skipping what was written since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"^([0-9a-f]{8})-(0|[1-9][0-9]{0,17})$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in one log."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"


def parse_cursor(text: str) -> Cursor | None:
    """Return the cursor in `text`, or None. Never raises: the stream is then reset."""
    match = _PATTERN.fullmatch(text.strip())
    return Cursor(match[1], int(match[2])) if match else None
