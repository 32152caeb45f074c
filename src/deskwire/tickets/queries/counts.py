"""Read the number of tickets per status from `ticket_counts`, which triggers keep up to date.

Counting rows instead takes 20 ms at 200,000 tickets, more than the rest of a page. A viewer who
sees only the tickets they take part in has few, and for them the rows are counted.
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
    Column("tickets", Integer, nullable=False),  # not deleted
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

# Two transactions that move tickets in opposite directions may deadlock; `Postgres` retries.
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
    """Count the tickets of `workspace` that the viewer may see, by status."""
    if not can_see_all_tickets(viewer, workspace):
        return count_matching_by_status(tx, visible_in(tx, viewer, workspace))
    stored = ticket_counts.c
    rows = tx.execute(select(stored.status, stored.tickets).where(stored.workspace == workspace))
    return fill_missing_statuses({row[0]: row[1] for row in rows})


def count_all_requests(tx: Connection, viewer: Viewer) -> dict[Status, int]:
    """Count the requests of all organizations by status; all zero unless the viewer is staff."""
    stored = ticket_counts.c
    if not is_staff(viewer):
        return fill_missing_statuses({})
    rows = tx.execute(
        select(stored.status, func.sum(stored.tickets))
        .where(is_counted_request())
        .group_by(stored.status)
    )
    return fill_missing_statuses({row[0]: int(row[1]) for row in rows})


def is_counted_request() -> ColumnElement[bool]:
    """Match rows of `ticket_counts` whose workspace is an organization that is not deleted."""
    workspace = ticket_counts.c.workspace
    return and_(
        workspace.startswith("org:", autoescape=True),
        not_(is_deleted_workspace_uncorrelated(workspace)),
    )


def count_matching_by_status(tx: Connection, condition: ColumnElement[bool]) -> dict[Status, int]:
    """Count the tickets that meet `condition`, by status, row by row."""
    rows = tx.execute(
        select(tickets.c.status, func.count()).where(condition).group_by(tickets.c.status)
    )
    return fill_missing_statuses({row[0]: row[1] for row in rows})


def count_open_by_workspace(tx: Connection, viewer: Viewer) -> dict[Workspace, int]:
    """Count the open tickets the viewer may see, by workspace; those without any are left out."""
    stored, workspaces = ticket_counts.c, fully_visible_workspaces(viewer)
    in_visible_workspaces = (
        select(stored.workspace, func.sum(stored.tickets).label("open"))
        .where(stored.workspace.in_(workspaces), stored.status.not_in(ENDED_STATUSES))
        .group_by(stored.workspace)
    )
    participated = (
        select(tickets.c.workspace, func.count().label("open"))
        .where(
            participated_by(viewer, excluded_workspaces=workspaces),
            tickets.c.status.not_in(ENDED_STATUSES),
        )
        .group_by(tickets.c.workspace)
    )
    rows = tx.execute(union_all(in_visible_workspaces, participated))
    return {row[0]: int(row[1]) for row in rows if row[1]}


def count_open_requests_in(
    tx: Connection, viewer: Viewer, workspaces: Collection[Workspace]
) -> dict[Workspace, int]:
    """Count the open requests of each of these organizations; empty unless the viewer is staff."""
    stored = ticket_counts.c
    if not is_staff(viewer):
        return {}
    rows = tx.execute(
        select(stored.workspace, func.sum(stored.tickets))
        .where(stored.workspace.in_(workspaces), stored.status.not_in(ENDED_STATUSES))
        .group_by(stored.workspace)
    )
    return {row[0]: int(row[1]) for row in rows}


def fill_missing_statuses(counts: Mapping[str, int]) -> dict[Status, int]:
    """Return a count for every status, 0 where `counts` has none."""
    return {status: counts.get(status, 0) for status in STATUSES}
