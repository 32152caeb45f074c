"""The page for strangers, and the one about oneself."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.accounts.identities import principals_of
from deskwire.events.access import Viewer
from deskwire.web.render import Render
from deskwire.web.site import Site, person_of, visit_of
from deskwire.workspaces.organizations import ids_of
from deskwire.workspaces.rights import is_staff


@dataclass(frozen=True, slots=True)
class PersonPages:
    """`/` and `/settings`."""

    site: Site
    render: Render

    async def landing(self, request: Request) -> Response:
        """GET /: what this is; who is signed in goes to their requests, or to their servers."""
        person = visit_of(request).person
        if person is not None:
            viewer = await self.site.db.read(self.site.access.read_viewer, person.id)
            return RedirectResponse(start_of(viewer), 303)
        return self.render(request, "landing.html", {})

    async def settings(self, request: Request) -> Response:
        """GET /settings."""
        person = person_of(request)
        principals = await self.site.db.read(principals_of, person.id)
        accounts = [tuple(each.split(":", 1)) for each in principals]
        return self.render(request, "settings.html", {"person": person, "accounts": accounts})


def start_of(viewer: Viewer) -> str:
    """Where somebody begins: the team at everybody's requests, clients at theirs."""
    if is_staff(viewer):
        return "/admin"
    return "/requests" if ids_of(viewer) else "/guilds"
