"""Which part of a file a request asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """The part that is asked for is not there."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Where the part begins, and before which byte it ends; None: all is meant.

    Several parts at once, and what cannot be read, mean all. Raises Unsatisfiable.
    """
    found = RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0].endswith("=-"):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), size if not last else min(int(last) + 1, size)
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise RangeNotSatisfiable
    return start, end


def matches_if_range(header: str | None, etag: str) -> bool:
    """Whether If-Range lets a part be sent: there is none, or it names this very content."""
    return header is None or header.strip() == etag


def matches_if_none_match(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names this content, so that it need not be sent again."""
    tags = [each.strip().removeprefix("W/") for each in (header or "").split(",")]
    return etag in tags or tags == ["*"]
