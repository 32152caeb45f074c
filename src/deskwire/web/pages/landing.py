"""The page for strangers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events.access import Viewer
from deskwire.kit.i18n import N_
from deskwire.web.dependencies import Site, visit_of
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.organizations import ids_of
from deskwire.workspaces.organizations.permissions import is_staff

DONE = {"departed": N_("Your account is deleted.")}


@dataclass(frozen=True, slots=True)
class PersonPages:
    """`/`."""

    site: Site
    render: Render

    async def landing(self, request: Request) -> Response:
        """GET /: what this is; who is signed in goes to their dashboard, or to their servers."""
        person = visit_of(request).person
        if person is not None:
            viewer = await self.site.db.read(self.site.access.read_viewer, person.id)
            return RedirectResponse(start_of(viewer), 303)
        done = said(DONE).get(request.query_params.get("done", ""))
        return self.render(request, "landing.html", {"done": done})


def start_of(viewer: Viewer) -> str:
    """Where somebody begins: whoever has servers and nothing else, at those."""
    if is_staff(viewer) or ids_of(viewer) or not is_of_guilds(viewer):
        return "/dashboard"
    return "/guilds"


def is_of_guilds(viewer: Viewer) -> bool:
    """Whether the viewer has a server, or takes part in a ticket of one."""
    return any((grant.workspace or "").startswith("guild:") for grant in viewer.grants)
