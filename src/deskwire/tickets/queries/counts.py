"""How many tickets there are, by status, without counting them: triggers keep the numbers true.

Counting the rows takes 20 ms at 200,000 of them, which is more than the rest of a page. Who sees
only the tickets they take part in has few, and those are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    func,
    not_,
    select,
    union_all,
)

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.db import metadata, register_ddl
from deskwire.tickets.statuses import ENDED_STATUSES, STATUSES, Status
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import (
    can_see_all_tickets,
    fully_visible_workspaces,
    participated_by,
    visible_in,
)
from deskwire.workspaces.organizations.organizations import is_deleted_workspace_uncorrelated
from deskwire.workspaces.organizations.permissions import is_staff

ticket_counts = Table(
    "ticket_counts",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("status", Text, primary_key=True),
    Column("tickets", Integer, nullable=False),  # those that are not deleted
)

_INCREMENT = (
    "INSERT INTO ticket_counts (workspace, status, tickets) VALUES (NEW.workspace, NEW.status, 1) "
    "ON CONFLICT (workspace, status) DO UPDATE SET tickets = ticket_counts.tickets + 1; "
)
_DECREMENT = (
    "UPDATE ticket_counts SET tickets = tickets - 1 "
    "WHERE workspace = OLD.workspace AND status = OLD.status; "
)
_COUNTED_COLUMNS = "status, deleted_at, workspace"
_HAS_CHANGED = (
    "NEW.status <> OLD.status OR NEW.workspace <> OLD.workspace "
    "OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)"
)

_SQLITE_TRIGGERS = (
    "CREATE TRIGGER tickets_counted_new AFTER INSERT ON tickets WHEN NEW.deleted_at IS NULL "
    f"BEGIN {_INCREMENT}END",
    "CREATE TRIGGER tickets_counted_gone AFTER DELETE ON tickets WHEN OLD.deleted_at IS NULL "
    f"BEGIN {_DECREMENT}END",
    f"CREATE TRIGGER tickets_counted_out AFTER UPDATE OF {_COUNTED_COLUMNS} ON tickets "
    f"WHEN OLD.deleted_at IS NULL AND ({_HAS_CHANGED}) BEGIN {_DECREMENT}END",
    f"CREATE TRIGGER tickets_counted_in AFTER UPDATE OF {_COUNTED_COLUMNS} ON tickets "
    f"WHEN NEW.deleted_at IS NULL AND ({_HAS_CHANGED}) BEGIN {_INCREMENT}END",
)

# Two who move tickets to and fro at once may meet in a deadlock; `Postgres` tries again.
_POSTGRESQL_TRIGGERS = (
    "CREATE FUNCTION deskwire_count_in() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN {_INCREMENT}RETURN NULL; END $$",
    "CREATE FUNCTION deskwire_count_out() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN {_DECREMENT}RETURN NULL; END $$",
    "CREATE TRIGGER tickets_counted_new AFTER INSERT ON tickets FOR EACH ROW "
    "WHEN (NEW.deleted_at IS NULL) EXECUTE FUNCTION deskwire_count_in()",
    "CREATE TRIGGER tickets_counted_gone AFTER DELETE ON tickets FOR EACH ROW "
    "WHEN (OLD.deleted_at IS NULL) EXECUTE FUNCTION deskwire_count_out()",
    f"CREATE TRIGGER tickets_counted_out AFTER UPDATE OF {_COUNTED_COLUMNS} ON tickets "
    f"FOR EACH ROW WHEN (OLD.deleted_at IS NULL AND ({_HAS_CHANGED})) "
    "EXECUTE FUNCTION deskwire_count_out()",
    f"CREATE TRIGGER tickets_counted_in AFTER UPDATE OF {_COUNTED_COLUMNS} ON tickets FOR EACH ROW "
    f"WHEN (NEW.deleted_at IS NULL AND ({_HAS_CHANGED})) EXECUTE FUNCTION deskwire_count_in()",
)

register_ddl("sqlite", _SQLITE_TRIGGERS)
register_ddl("postgresql", _POSTGRESQL_TRIGGERS)


def count_by_status(tx: Connection, viewer: Viewer, workspace: Workspace) -> dict[Status, int]:
    """How many tickets of `workspace` the viewer may see, by status."""
    if not can_see_all_tickets(viewer, workspace):
        return count_matching_by_status(tx, visible_in(tx, viewer, workspace))
    kept = ticket_counts.c
    rows = tx.execute(select(kept.status, kept.tickets).where(kept.workspace == workspace))
    return fill_missing_statuses({row[0]: row[1] for row in rows})


def count_all_requests(tx: Connection, viewer: Viewer) -> dict[Status, int]:
    """How many requests of all organizations there are, by status; for the team alone."""
    kept = ticket_counts.c
    if not is_staff(viewer):
        return fill_missing_statuses({})
    rows = tx.execute(
        select(kept.status, func.sum(kept.tickets))
        .where(is_counted_request())
        .group_by(kept.status)
    )
    return fill_missing_statuses({row[0]: int(row[1]) for row in rows})


def is_counted_request() -> ColumnElement[bool]:
    """The rows of `ticket_counts` that are of organizations, but for those that were deleted."""
    where = ticket_counts.c.workspace
    return and_(
        where.startswith("org:", autoescape=True), not_(is_deleted_workspace_uncorrelated(where))
    )


def count_matching_by_status(tx: Connection, condition: ColumnElement[bool]) -> dict[Status, int]:
    """How many tickets meet `condition`, by status: one by one."""
    rows = tx.execute(
        select(tickets.c.status, func.count()).where(condition).group_by(tickets.c.status)
    )
    return fill_missing_statuses({row[0]: row[1] for row in rows})


def count_open_by_workspace(tx: Connection, viewer: Viewer) -> dict[Workspace, int]:
    """How many tickets the viewer may see are not ended, by workspace; none: left out."""
    kept, whole = ticket_counts.c, fully_visible_workspaces(viewer)
    of_all = (
        select(kept.workspace, func.sum(kept.tickets).label("open"))
        .where(kept.workspace.in_(whole), kept.status.not_in(ENDED_STATUSES))
        .group_by(kept.workspace)
    )
    of_own = (
        select(tickets.c.workspace, func.count().label("open"))
        .where(
            participated_by(viewer, excluded_workspaces=whole),
            tickets.c.status.not_in(ENDED_STATUSES),
        )
        .group_by(tickets.c.workspace)
    )
    return {row[0]: int(row[1]) for row in tx.execute(union_all(of_all, of_own)) if row[1]}


def count_open_requests_in(
    tx: Connection, viewer: Viewer, workspaces: Collection[Workspace]
) -> dict[Workspace, int]:
    """How many requests of these organizations are not ended; for the team alone."""
    kept = ticket_counts.c
    if not is_staff(viewer):
        return {}
    rows = tx.execute(
        select(kept.workspace, func.sum(kept.tickets))
        .where(kept.workspace.in_(workspaces), kept.status.not_in(ENDED_STATUSES))
        .group_by(kept.workspace)
    )
    return {row[0]: int(row[1]) for row in rows}


def fill_missing_statuses(counts: Mapping[str, int]) -> dict[Status, int]:
    """How many there are of each status, which need not be among those found."""
    return {status: counts.get(status, 0) for status in STATUSES}
