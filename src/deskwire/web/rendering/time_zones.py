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
from deskwire.kit.i18n import N_, format_date, get_active, gettext

DAY_FORMAT = N_("%(weekday)s %(day)s %(month)s")
DAY_FORMAT_WITH_YEAR = N_("%(weekday)s %(day)s %(month)s %(year)s")
LEGACY_REGIONS = frozenset(
    {"Etc", "SystemV", "US", "Brazil", "Canada", "Chile", "Mexico"}
)  # old other names

_time_zone: ContextVar[str | None] = ContextVar("zone", default=None)


@contextmanager
def use_time_zone(name: str | None) -> Iterator[None]:
    """Pages made meanwhile show times in this zone; None: in UTC."""
    token = _time_zone.set(name)
    try:
        yield
    finally:
        _time_zone.reset(token)


def current_time_zone() -> str | None:
    """The one of the page that is made now, by its name; None: UTC."""
    return _time_zone.get()


def local_time_text(at: Millis | Undefined) -> str:
    """A time as the reader's own clock shows it, with the zone's name."""
    if isinstance(at, Undefined):
        return ""
    return datetime_text(datetime.fromtimestamp(at / 1000, _tzinfo_of(_time_zone.get())))


def datetime_text(at: datetime) -> str:
    """`27 Nov 2026, 14:05 CET`."""
    return f"{format_date(at)}, {at.strftime('%H:%M %Z')}"


def local_date(at: Millis) -> date:
    """The day a moment is in by the reader's own calendar."""
    return datetime.fromtimestamp(at / 1000, _tzinfo_of(_time_zone.get())).date()


def day_name(value: date) -> str:
    """A day as a list is headed with it, the same as `formatDayHeading` in `ui/day_headings.ts`."""
    today = local_date(now())
    if value == today:
        return gettext("Today")
    if value == today - timedelta(days=1):
        return gettext("Yesterday")
    weekday, month = get_active().weekdays[value.weekday()], get_active().months[value.month - 1]
    text = DAY_FORMAT if value.year == today.year else DAY_FORMAT_WITH_YEAR
    return gettext(text, weekday=weekday, day=value.day, month=month, year=value.year)


def time_zones_by_region() -> dict[str, list[str]]:
    """The zones one may choose from, by continent."""
    return _zones_by_region() | {gettext("Other"): ["UTC"]}


@lru_cache(1)
def _zones_by_region() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(available_timezones()):
        region, _, place = name.partition("/")
        if place and region not in LEGACY_REGIONS:
            found.setdefault(region, []).append(name)
    return found


def _tzinfo_of(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):  # chosen where the list was longer
        return UTC
