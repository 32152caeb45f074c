"""List the events that make a part of a page stale, from the aspects it shows."""

from __future__ import annotations

from functools import cache

from deskwire.events.types.aspects import Aspect
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE


@cache
def live_events(*aspects: str) -> str:
    """Return the value of a `data-live` attribute for a part that shows `aspects`.

    It is a list of event types, separated by spaces; `ticket.*` stands for all types that begin
    with `ticket.`. Raises ValueError if there is no such aspect.
    """
    shown = {Aspect(aspect) for aspect in aspects}
    affected = {type_ for type_, event in EVENT_CLASS_BY_TYPE.items() if event.aspects & shown}
    others = EVENT_CLASS_BY_TYPE.keys() - affected
    whole = {_subject(type_) for type_ in affected} - {_subject(type_) for type_ in others}
    patterns = [f"{subject}.*" for subject in sorted(whole)]
    return " ".join(patterns + sorted(type_ for type_ in affected if _subject(type_) not in whole))


def _subject(type_: str) -> str:
    return type_.partition(".")[0]
