"""List the organizations for the administration; each is changed on its own settings page."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.tickets.queries.counts import count_open_requests_in
from deskwire.web.context import read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.rendering.list_links import url_with_query
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.directory import (
    DirectoryFilter,
    DirectoryOrganization,
    parse_directory_filter,
    search_organizations,
)
from deskwire.workspaces.organizations.permissions import Permission, can

BASE_PATH = "/admin/organizations"


@dataclass(frozen=True, slots=True)
class OrganizationListPage:
    """A page of organizations, with the number of open requests of each."""

    organizations: list[DirectoryOrganization]
    after: str  # the id that the next page begins after; empty on the last page
    open_counts: dict[Workspace, int]


@dataclass(frozen=True, slots=True)
class OrganizationsAdminPages:
    """`/admin/organizations`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/organizations?q=&after=."""
        filters = parse_directory_filter(request.query_params)
        viewer, results = await read_as(self.deps, request, read_page, filters)
        context = {
            "viewer": viewer,
            "results": results,
            "filters": filters,
            "can_change": can(viewer, Permission.ORGANIZATIONS),
            "first": _list_url(q=filters.query),
            "next": _list_url(q=filters.query, after=results.after) if results.after else "",
        }
        return self.render(request, "admin_organizations.html", context)


def read_page(tx: Connection, viewer: Viewer, filter_: DirectoryFilter) -> OrganizationListPage:
    """Read a page of the list in three statements. Raises Forbidden unless the viewer is staff."""
    organizations, after = search_organizations(tx, viewer, filter_)
    workspaces = [each.organization.workspace for each in organizations if each.deleted_at is None]
    open_counts = count_open_requests_in(tx, viewer, workspaces)
    return OrganizationListPage(organizations, after, open_counts)


def _list_url(**fields: str) -> str:
    return url_with_query(BASE_PATH, fields)
