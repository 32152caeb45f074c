"""The administration's organizations: a list to search. Each is changed on its own page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.tickets.queries.counts import count_open_requests_in
from deskwire.web.context import read_as
from deskwire.web.dependencies import Dependencies
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
    """A page of organizations, with how many requests of each are open."""

    organizations: list[DirectoryOrganization]
    after: str  # the id the next page begins after; nothing where this is the last
    open_counts: dict[Workspace, int]


@dataclass(frozen=True, slots=True)
class OrganizationsAdminPages:
    """`/admin/organizations`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/organizations?q=&after=."""
        seek = parse_directory_filter(request.query_params)
        viewer, shown = await read_as(self.deps, request, read_page, seek)
        said = {"q": seek.query} if seek.query else {}
        context = {
            "viewer": viewer,
            "results": shown,
            "filters": seek,
            "can_change": can(viewer, Permission.ORGANIZATIONS),
            "first": f"{BASE_PATH}?{urlencode(said)}" if said else BASE_PATH,
            "next": f"{BASE_PATH}?{urlencode({**said, 'after': shown.after})}"
            if shown.after
            else "",
        }
        return self.render(request, "admin_organizations.html", context)


def read_page(tx: Connection, viewer: Viewer, filter_: DirectoryFilter) -> OrganizationListPage:
    """Three statements."""
    companies, after = search_organizations(tx, viewer, filter_)
    places = [each.organization.workspace for each in companies if each.deleted_at is None]
    return OrganizationListPage(companies, after, count_open_requests_in(tx, viewer, places))
