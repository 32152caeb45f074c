"""Compute the number of requests per status at the end of each day, for the dashboard's history.

Triggers keep `request_days`: one row says by how much the requests of a status rose or fell on one
day (UTC). Subtracting these changes from the current counts gives every earlier day, so a history
of 90 days reads little more than 90 rows, however many requests there are.

A change counts for the day it happened. A direct edit of the database, which leaves the revision
alone and names no time, counts for today.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Column, Index, Integer, Table, Text

from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import metadata, register_ddl
from deskwire.tickets.statuses import STATUSES, Status

EpochDay = int  # days since 1970-01-01, UTC

request_days = Table(
    "request_days",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("change", Integer, nullable=False),  # requests; negative where they became fewer
    Index("ix_request_days_day", "day", "status", "change"),
)

_INCREMENT = (
    "INSERT INTO request_days (workspace, day, status, change) "
    "VALUES (NEW.workspace, {day}, NEW.status, 1) ON CONFLICT (workspace, day, status) "
    "DO UPDATE SET change = request_days.change + 1; "
)
_DECREMENT = (
    "INSERT INTO request_days (workspace, day, status, change) "
    "VALUES (OLD.workspace, {day}, OLD.status, -1) ON CONFLICT (workspace, day, status) "
    "DO UPDATE SET change = request_days.change - 1; "
)
_OPENED_DAY = f"NEW.opened_at / {DAY}"
_CHANGED_DAY = (
    f"CASE WHEN NEW.revision = OLD.revision THEN {{today}} ELSE NEW.active_at / {DAY} END"
)
_COUNTED_COLUMNS = "status, deleted_at, workspace"
_HAS_CHANGED = (
    "NEW.status <> OLD.status OR NEW.workspace <> OLD.workspace "
    "OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)"
)
_NEW_IS_COUNTED = "NEW.deleted_at IS NULL AND substr(NEW.workspace, 1, 4) = 'org:'"
_OLD_IS_COUNTED = "OLD.deleted_at IS NULL AND substr(OLD.workspace, 1, 4) = 'org:'"


def _build_sqlite_triggers() -> tuple[str, ...]:
    today = "CAST(strftime('%s', 'now') AS INTEGER) / 86400"
    changed_day = _CHANGED_DAY.format(today=today)
    changed = f"AFTER UPDATE OF {_COUNTED_COLUMNS} ON tickets"
    return (
        f"CREATE TRIGGER tickets_dated_new AFTER INSERT ON tickets WHEN {_NEW_IS_COUNTED} "
        f"BEGIN {_INCREMENT.format(day=_OPENED_DAY)}END",
        f"CREATE TRIGGER tickets_dated_gone AFTER DELETE ON tickets WHEN {_OLD_IS_COUNTED} "
        f"BEGIN {_DECREMENT.format(day=today)}END",
        f"CREATE TRIGGER tickets_dated_out {changed} WHEN {_OLD_IS_COUNTED} AND ({_HAS_CHANGED}) "
        f"BEGIN {_DECREMENT.format(day=changed_day)}END",
        f"CREATE TRIGGER tickets_dated_in {changed} WHEN {_NEW_IS_COUNTED} AND ({_HAS_CHANGED}) "
        f"BEGIN {_INCREMENT.format(day=changed_day)}END",
    )


def _build_postgresql_triggers() -> tuple[str, ...]:
    today = "floor(extract(epoch FROM clock_timestamp()) / 86400)::integer"
    changed_day = _CHANGED_DAY.format(today=today)
    changed = f"AFTER UPDATE OF {_COUNTED_COLUMNS} ON tickets FOR EACH ROW"
    bodies = {
        "new": _INCREMENT.format(day=_OPENED_DAY),
        "gone": _DECREMENT.format(day=today),
        "out": _DECREMENT.format(day=changed_day),
        "in": _INCREMENT.format(day=changed_day),
    }
    whens = {
        "new": f"AFTER INSERT ON tickets FOR EACH ROW WHEN ({_NEW_IS_COUNTED})",
        "gone": f"AFTER DELETE ON tickets FOR EACH ROW WHEN ({_OLD_IS_COUNTED})",
        "out": f"{changed} WHEN ({_OLD_IS_COUNTED} AND ({_HAS_CHANGED}))",
        "in": f"{changed} WHEN ({_NEW_IS_COUNTED} AND ({_HAS_CHANGED}))",
    }
    functions = [
        f"CREATE FUNCTION deskwire_dated_{name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body}RETURN NULL; END $$"
        for name, body in bodies.items()
    ]
    triggers = [
        f"CREATE TRIGGER tickets_dated_{name} {when} EXECUTE FUNCTION deskwire_dated_{name}()"
        for name, when in whens.items()
    ]
    return (*functions, *triggers)


register_ddl("sqlite", _build_sqlite_triggers())
register_ddl("postgresql", _build_postgresql_triggers())


@dataclass(frozen=True, slots=True)
class DayCount:
    """The number of requests per status at the end of a day; for today, so far."""

    day: EpochDay
    counts: Mapping[Status, int]

    @property
    def date(self) -> date:
        """Return the calendar date."""
        return datetime.fromtimestamp(self.day * DAY / 1000, UTC).date()


def to_epoch_day(at: Millis) -> EpochDay:
    """Return the day that contains the moment `at`."""
    return at // DAY


def compute_daily_changes(
    status_changes: Iterable[tuple[str, Millis, str]],
) -> list[tuple[EpochDay, str, int]]:
    """Compute the rows of `request_days` (day, status, change) that these status changes produce.

    `status_changes`: (ticket id, ms, new status), in order of time for each ticket.
    """
    current: dict[str, str] = {}
    changes: list[tuple[EpochDay, str, int]] = []
    for ticket, at, status in status_changes:
        before = current.get(ticket)
        if before == status:
            continue
        if before is not None:
            changes.append((to_epoch_day(at), before, -1))
        changes.append((to_epoch_day(at), status, 1))
        current[ticket] = status
    return changes


def compute_daily_counts(
    current_counts: Mapping[Status, int],
    changes: Iterable[tuple[EpochDay, str, int]],
    today: EpochDay,
    day_count: int,
) -> list[DayCount]:
    """Return the last `day_count` days up to `today`, oldest first.

    Starts from `current_counts` and subtracts `changes` (day, status, change) day by day.
    """
    by_day: dict[EpochDay, dict[str, int]] = {}
    for day, status, change in changes:
        day_changes = by_day.setdefault(min(day, today), {})
        day_changes[status] = day_changes.get(status, 0) + change
    counts = {status: current_counts.get(status, 0) for status in STATUSES}
    days = []
    for day in range(today, today - day_count, -1):
        days.append(DayCount(day, counts))
        day_changes = by_day.get(day, {})
        counts = {status: number - day_changes.get(status, 0) for status, number in counts.items()}
    return days[::-1]
