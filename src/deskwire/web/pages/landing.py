"""The page for strangers."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events.access import Viewer
from deskwire.kit.i18n import N_
from deskwire.web.dependencies import Dependencies, request_context
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.organizations import organization_ids_of
from deskwire.workspaces.organizations.permissions import is_staff

DONE_MESSAGES = {"departed": N_("Your account is deleted.")}


@dataclass(frozen=True, slots=True)
class LandingPages:
    """`/`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /: what this is; who is signed in goes to their dashboard, or to their servers."""
        person = request_context(request).person
        if person is not None:
            viewer = await self.deps.db.read(self.deps.access.read_viewer, person.id)
            return RedirectResponse(home_path(viewer), 303)
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        return self.render(request, "landing.html", {"done": done})


def home_path(viewer: Viewer) -> str:
    """Where somebody begins: whoever has servers and nothing else, at those."""
    if is_staff(viewer) or organization_ids_of(viewer) or not has_guilds(viewer):
        return "/dashboard"
    return "/guilds"


def has_guilds(viewer: Viewer) -> bool:
    """Whether the viewer has a server, or takes part in a ticket of one."""
    return any((grant.workspace or "").startswith("guild:") for grant in viewer.grants)
