"""Format and parse page keys, the time and id of the row after which the next page begins."""

from __future__ import annotations

from deskwire.kit.clock import Millis
from deskwire.kit.ids import is_id

PageKey = tuple[Millis, str]


def format_page_key(at: Millis, id_: str) -> str:
    """Format the key of a row for a URL."""
    return f"{at}.{id_}"


def parse_page_key(text: str) -> PageKey | None:
    """Parse a key in the form `format_page_key` writes; None for any other text."""
    at, _, id_ = text.partition(".")
    is_time = at.isascii() and at.isdigit() and len(at) < 16
    return (int(at), id_) if is_time and is_id(id_) else None
