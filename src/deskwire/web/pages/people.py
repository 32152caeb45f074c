"""The page for strangers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events.access import Viewer
from deskwire.web.render import Render
from deskwire.web.site import Site, visit_of
from deskwire.workspaces.organizations import ids_of
from deskwire.workspaces.rights import is_staff


@dataclass(frozen=True, slots=True)
class PersonPages:
    """`/`."""

    site: Site
    render: Render

    async def landing(self, request: Request) -> Response:
        """GET /: what this is; who is signed in goes to their requests, or to their servers."""
        person = visit_of(request).person
        if person is not None:
            viewer = await self.site.db.read(self.site.access.read_viewer, person.id)
            return RedirectResponse(start_of(viewer), 303)
        return self.render(request, "landing.html", {})


def start_of(viewer: Viewer) -> str:
    """Where somebody begins: the team at everybody's requests, clients at theirs."""
    if is_staff(viewer):
        return "/admin"
    return "/requests" if ids_of(viewer) else "/guilds"
