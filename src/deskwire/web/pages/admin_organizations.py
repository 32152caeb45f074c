"""The administration's organizations: a list to search. Each is changed on its own page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.tickets.queries.counts import count_open_of
from deskwire.web.context import read_as
from deskwire.web.dependencies import Site
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.directory import Company, Seek, find_companies, parse_seek
from deskwire.workspaces.organizations.permissions import Right, may

PATH = "/admin/organizations"


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of organizations, with how many requests of each are open."""

    companies: list[Company]
    after: str  # the id the next page begins after; nothing where this is the last
    open: dict[Workspace, int]


@dataclass(frozen=True, slots=True)
class OrganizationsAdmin:
    """`/admin/organizations`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /admin/organizations?q=&after=."""
        seek = parse_seek(request.query_params)
        viewer, shown = await read_as(self.site, request, read_shown, seek)
        said = {"q": seek.query} if seek.query else {}
        context = {
            "viewer": viewer,
            "shown": shown,
            "seek": seek,
            "may_change": may(viewer, Right.ORGANIZATIONS),
            "first": f"{PATH}?{urlencode(said)}" if said else PATH,
            "next": f"{PATH}?{urlencode({**said, 'after': shown.after})}" if shown.after else "",
        }
        return self.render(request, "admin_organizations.html", context)


def read_shown(tx: Connection, viewer: Viewer, seek: Seek) -> Shown:
    """Three statements."""
    companies, after = find_companies(tx, viewer, seek)
    places = [each.place.workspace for each in companies if each.deleted_at is None]
    return Shown(companies, after, count_open_of(tx, viewer, places))
