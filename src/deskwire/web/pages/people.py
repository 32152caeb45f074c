"""The page for strangers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.web.render import Render
from deskwire.web.site import Site, visit_of


@dataclass(frozen=True, slots=True)
class PersonPages:
    """`/`."""

    site: Site
    render: Render

    async def landing(self, request: Request) -> Response:
        """GET /: what this is; who is signed in goes to their servers."""
        if visit_of(request).signed_in is not None:
            return RedirectResponse("/guilds", 303)
        return self.render(request, "landing.html", {})
