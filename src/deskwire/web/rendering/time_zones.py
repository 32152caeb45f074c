"""Format times in the time zone of the page's reader, and list the zones to choose from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from jinja2 import Undefined

from deskwire.kit.clock import Millis, now
from deskwire.kit.i18n import N_, format_date, get_active, gettext

DAY_FORMAT = N_("%(weekday)s %(day)s %(month)s")
DAY_FORMAT_WITH_YEAR = N_("%(weekday)s %(day)s %(month)s %(year)s")
# Regions of the tz database whose zones are old aliases of others.
LEGACY_REGIONS = frozenset({"Etc", "SystemV", "US", "Brazil", "Canada", "Chile", "Mexico"})

_time_zone: ContextVar[str | None] = ContextVar("time_zone", default=None)


@contextmanager
def use_time_zone(name: str | None) -> Iterator[None]:
    """Format times in this zone (IANA name; None for UTC) until the context exits."""
    token = _time_zone.set(name)
    try:
        yield
    finally:
        _time_zone.reset(token)


def current_time_zone() -> str | None:
    """Return the IANA name of the zone in use; None for UTC."""
    return _time_zone.get()


def local_time_text(at: Millis | Undefined) -> str:
    """Format a time in the zone in use, with the zone's abbreviation."""
    if isinstance(at, Undefined):
        return ""
    return datetime_text(datetime.fromtimestamp(at / 1000, _tzinfo_of(_time_zone.get())))


def datetime_text(at: datetime) -> str:
    """Format a time as `27 Nov 2026, 14:05 CET`."""
    return f"{format_date(at)}, {at.strftime('%H:%M %Z')}"


def local_date(at: Millis) -> date:
    """Return the date of a time in the zone in use."""
    return datetime.fromtimestamp(at / 1000, _tzinfo_of(_time_zone.get())).date()


def end_of_day(day: date, time_zone: str | None) -> Millis:
    """Return the last millisecond of a day in a zone (IANA name; None for UTC).

    Raises OverflowError for the last day that Python can represent.
    """
    next_day = datetime.combine(day + timedelta(days=1), time(), _tzinfo_of(time_zone))
    return round(next_day.timestamp() * 1000) - 1


def day_name(value: date) -> str:
    """Format a day as a list's heading, the same as `formatDayHeading` in `ui/day_headings.ts`."""
    today = local_date(now())
    if value == today:
        return gettext("Today")
    if value == today - timedelta(days=1):
        return gettext("Yesterday")
    weekday, month = get_active().weekdays[value.weekday()], get_active().months[value.month - 1]
    text = DAY_FORMAT if value.year == today.year else DAY_FORMAT_WITH_YEAR
    return gettext(text, weekday=weekday, day=value.day, month=month, year=value.year)


def time_zones_by_region() -> dict[str, list[str]]:
    """Return the IANA names to choose from, by continent."""
    return _zones_by_region() | {gettext("Other"): ["UTC"]}


@lru_cache(1)
def _zones_by_region() -> dict[str, list[str]]:
    names_by_region: dict[str, list[str]] = {}
    for name in sorted(available_timezones()):
        region, _, city = name.partition("/")
        if city and region not in LEGACY_REGIONS:
            names_by_region.setdefault(region, []).append(name)
    return names_by_region


def _tzinfo_of(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError):  # stored on a machine with a newer tz database
        return UTC
