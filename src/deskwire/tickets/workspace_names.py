"""Read the names of the organizations and categories that tickets refer to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from deskwire.events.channels import is_organization
from deskwire.tickets.tables import TicketRow
from deskwire.workspaces.organizations.categories import read_category_names
from deskwire.workspaces.organizations.organizations import Organization, read_organizations_by_id


@dataclass(frozen=True, slots=True)
class WorkspaceNames:
    """Organizations and category names by id. Names of guilds are not in it."""

    organizations: Mapping[str, Organization] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


NO_WORKSPACE_NAMES = WorkspaceNames()


def read_workspace_names(tx: Connection, rows: Iterable[TicketRow]) -> WorkspaceNames:
    """Read what `build_tickets` needs: at most two statements, none for tickets of guilds."""
    return read_missing_workspace_names(tx, rows, None)


def read_missing_workspace_names(
    tx: Connection, rows: Iterable[TicketRow], known_names: WorkspaceNames | None
) -> WorkspaceNames:
    """Read the names that are not in `known_names`, and return both."""
    known = known_names or NO_WORKSPACE_NAMES
    portal_rows = [row for row in rows if is_organization(row.workspace)]
    organizations = {row.workspace.removeprefix("org:") for row in portal_rows}
    categories = {row.category for row in portal_rows if row.category}
    return WorkspaceNames(
        {
            **known.organizations,
            **read_organizations_by_id(tx, organizations - known.organizations.keys()),
        },
        {**known.categories, **read_category_names(tx, categories - known.categories.keys())},
    )
