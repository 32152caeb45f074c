"""Keys: the place in a list after which its next page begins, as a time and an id."""

from __future__ import annotations

from deskwire.kit.clock import Millis
from deskwire.kit.ids import is_id

PageKey = tuple[Millis, str]


def format_page_key(at: Millis, id_: str) -> str:
    """The key of a row, as a URL says it."""
    return f"{at}.{id_}"


def parse_page_key(text: str) -> PageKey | None:
    """A key that `key_of` may have made; None for anything else."""
    at, _, id_ = text.partition(".")
    is_time = at.isascii() and at.isdigit() and len(at) < 16
    return (int(at), id_) if is_time and is_id(id_) else None
