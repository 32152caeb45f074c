"""A cursor: the place in the log a reader has reached, as text that is opaque to clients.

`EPOCH-POSITION`. The epoch is the log's birth certificate: a restored backup gets a new one, so
that a cursor from the lost future is recognised instead of skipping what was written since.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"^([0-9a-f]{8})-(0|[1-9][0-9]{0,17})$")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one log."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.position}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor in `text`, or None where there is none (never an error: the stream resets)."""
    match = _PATTERN.fullmatch(text.strip())
    return Cursor(match[1], int(match[2])) if match else None
