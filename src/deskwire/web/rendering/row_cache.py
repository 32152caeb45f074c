"""Cache the rendered rows of lists.

Lists are read far more often than their rows change, and rendering fifty rows is most of their
cost. The key holds everything a row is made of, so no entry is ever invalidated: another name,
label or time zone is another key.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from jinja2 import Undefined
from markupsafe import Markup

from deskwire.events.types.registry import TicketSnapshot
from deskwire.web.rendering.time_zones import current_time_zone, use_time_zone

MAX_CACHED_ROWS = 2_000  # rows of each kind; about 6 KB each, with their keys

Macro = Callable[..., Markup]  # takes a ticket's state and the other values of the row


def cache_rows(macro: Macro, empty_state: Undefined) -> Macro:
    """Wrap a macro in an LRU cache; an undefined state renders the empty row that scripts fill."""

    @lru_cache(MAX_CACHED_ROWS)
    def render(state: str, time_zone: str | None, *args: object) -> Markup:
        with use_time_zone(time_zone):
            return macro(TicketSnapshot.model_validate_json(state) if state else empty_state, *args)

    def row(state: TicketSnapshot | Undefined, *args: object) -> Markup:
        key = "" if isinstance(state, Undefined) else state.model_dump_json(by_alias=True)
        return render(key, current_time_zone(), *args)

    return row
