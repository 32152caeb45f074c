"""Time zones: the one a page is made in, and those one may choose from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from jinja2 import Undefined

from deskwire.kit.clock import Millis, now
from deskwire.kit.i18n import N_, day_text, gettext, spoken

DAY = N_("%(weekday)s %(day)s %(month)s")
DAY_AND_YEAR = N_("%(weekday)s %(day)s %(month)s %(year)s")
ODD = frozenset({"Etc", "SystemV", "US", "Brazil", "Canada", "Chile", "Mexico"})  # old other names

_zone: ContextVar[str | None] = ContextVar("zone", default=None)


@contextmanager
def times_in(zone: str | None) -> Iterator[None]:
    """Pages made meanwhile show times in this zone; None: in UTC."""
    token = _zone.set(zone)
    try:
        yield
    finally:
        _zone.reset(token)


def zone() -> str | None:
    """The one of the page that is made now, by its name; None: UTC."""
    return _zone.get()


def local(at: Millis | Undefined) -> str:
    """A time as the reader's own clock shows it, with the zone's name."""
    if isinstance(at, Undefined):
        return ""
    return moment_text(datetime.fromtimestamp(at / 1000, _zone_of(_zone.get())))


def moment_text(at: datetime) -> str:
    """`27 Nov 2026, 14:05 CET`."""
    return f"{day_text(at)}, {at.strftime('%H:%M %Z')}"


def day(at: Millis) -> date:
    """The day a moment is in by the reader's own calendar."""
    return datetime.fromtimestamp(at / 1000, _zone_of(_zone.get())).date()


def day_name(of: date) -> str:
    """A day as a list is headed with it, the same as `formatDayHeading` in `ui/day_headings.ts`."""
    today = day(now())
    if of == today:
        return gettext("Today")
    if of == today - timedelta(days=1):
        return gettext("Yesterday")
    weekday, month = spoken().weekdays[of.weekday()], spoken().months[of.month - 1]
    text = DAY if of.year == today.year else DAY_AND_YEAR
    return gettext(text, weekday=weekday, day=of.day, month=month, year=of.year)


def zones() -> dict[str, list[str]]:
    """The zones one may choose from, by continent."""
    return _by_region() | {gettext("Other"): ["UTC"]}


@lru_cache(1)
def _by_region() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(available_timezones()):
        region, _, place = name.partition("/")
        if place and region not in ODD:
            found.setdefault(region, []).append(name)
    return found


def _zone_of(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):  # chosen where the list was longer
        return UTC
