"""Serve `/`: a landing page, or a redirect to where a signed-in person begins."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events.access import Viewer
from deskwire.kit.i18n import N_
from deskwire.web.context import has_guilds, read_as, request_context
from deskwire.web.dependencies import Dependencies
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.organizations import organization_ids_of
from deskwire.workspaces.organizations.permissions import is_staff

DONE_MESSAGES = {"departed": N_("Your account was deleted.")}


@dataclass(frozen=True, slots=True)
class LandingPages:
    """`/`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /: the landing page; redirects signed-in people to their dashboard or servers."""
        if request_context(request).person is not None:
            _viewer, path = await read_as(self.deps, request, home_path)
            return RedirectResponse(path, 303)
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        return self.render(request, "landing.html", {"done": done})


def home_path(_tx: Connection, viewer: Viewer) -> str:
    """Return where the viewer begins: their servers if they have nothing else."""
    if is_staff(viewer) or organization_ids_of(viewer) or not has_guilds(viewer):
        return "/dashboard"
    return "/guilds"
