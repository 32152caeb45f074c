"""The page for strangers, and the one about oneself."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.accounts.identities import principals_of
from deskwire.web.render import Render
from deskwire.web.site import Site, person_of, visit_of


@dataclass(frozen=True, slots=True)
class PersonPages:
    """`/` and `/settings`."""

    site: Site
    render: Render

    async def landing(self, request: Request) -> Response:
        """GET /: what this is; who is signed in goes to their servers."""
        if visit_of(request).signed_in is not None:
            return RedirectResponse("/guilds", 303)
        return self.render(request, "landing.html", {})

    async def settings(self, request: Request) -> Response:
        """GET /settings."""
        person = person_of(request)
        principals = await self.site.db.read(principals_of, person.id)
        accounts = [tuple(each.split(":", 1)) for each in principals]
        return self.render(request, "settings.html", {"person": person, "accounts": accounts})
