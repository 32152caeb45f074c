"""A list's row as it was rendered last, as long as nothing of what it is made of has changed.

Lists are read far more often than their rows change, and most of what they cost is to render fifty
of them. A row is found by all it is made of, so there is nothing to forget: another name, another
mark, another time zone make another row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from jinja2 import Undefined
from markupsafe import Markup

from deskwire.events.types.registry import TicketSnapshot
from deskwire.web.rendering.time_zones import current_time_zone, use_time_zone

MAX_CACHED_ROWS = 2_000  # rows of each kind, of about 6 KB each with what they are found by

Macro = Callable[..., Markup]  # of a state, and what else a row depends on


def cache_rows(macro: Macro, empty_state: Undefined) -> Macro:
    """The same macro, whose rows are kept; also the one of nothing, which the store fills."""

    @lru_cache(MAX_CACHED_ROWS)
    def render(state: str, time_zone: str | None, *more: object) -> Markup:
        with use_time_zone(time_zone):
            return macro(TicketSnapshot.model_validate_json(state) if state else empty_state, *more)

    def row(state: TicketSnapshot | Undefined, *more: object) -> Markup:
        told = "" if isinstance(state, Undefined) else state.model_dump_json(by_alias=True)
        return render(told, current_time_zone(), *more)

    return row
