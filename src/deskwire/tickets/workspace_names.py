"""Where tickets are: servers and organizations, and what screens call the latter."""

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
    """Names of the organizations and categories that tickets name; of servers nothing."""

    organizations: Mapping[str, Organization] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


NO_WORKSPACE_NAMES = WorkspaceNames()


def read_workspace_names(tx: Connection, rows: Iterable[TicketRow]) -> WorkspaceNames:
    """What `named` needs of organizations: at most two statements, none for servers' tickets."""
    return read_missing_workspace_names(tx, rows, None)


def read_missing_workspace_names(
    tx: Connection, rows: Iterable[TicketRow], known_names: WorkspaceNames | None
) -> WorkspaceNames:
    """`read_places`, where some are known already: what is not among them is read."""
    places = known_names or NO_WORKSPACE_NAMES
    wanted = [row for row in rows if is_organization(row.workspace)]
    organizations = {row.workspace.removeprefix("org:") for row in wanted}
    categories = {row.category for row in wanted if row.category}
    return WorkspaceNames(
        {
            **places.organizations,
            **read_organizations_by_id(tx, organizations - places.organizations.keys()),
        },
        {**places.categories, **read_category_names(tx, categories - places.categories.keys())},
    )
