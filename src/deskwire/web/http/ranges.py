"""Parse range requests and their preconditions (RFC 9110, sections 13 and 14). Pure."""

from __future__ import annotations

import re

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)


class RangeNotSatisfiable(Exception):
    """The requested range lies outside the file (416)."""


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last, for a file of `size` bytes.

    None means the whole file: no header, several ranges at once, or a malformed one. Raises
    RangeNotSatisfiable.
    """
    match = RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0].endswith("=-"):
        return None
    first, last = match.groups()
    if not first:  # a suffix range: the last N bytes
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), size if not last else min(int(last) + 1, size)
        if last and int(last) < int(first):
            return None
    if start >= end:
        raise RangeNotSatisfiable
    return start, end


def matches_if_range(header: str | None, etag: str) -> bool:
    """Return whether If-Range allows a partial response: it is missing or equals the ETag."""
    return header is None or header.strip() == etag


def matches_if_none_match(header: str | None, etag: str) -> bool:
    """Return whether If-None-Match names this ETag, so that 304 is the response."""
    tags = [each.strip().removeprefix("W/") for each in (header or "").split(",")]
    return etag in tags or tags == ["*"]
