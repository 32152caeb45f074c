"""Going on in another of one's organizations: the list to choose from, and the choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.accounts import sessions
from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.queries.counts import count_open
from deskwire.tickets.queries.list_requests import count_unread
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Site, visit_of
from deskwire.web.http.forms import done, read_form
from deskwire.web.pages.request_list import active_of, chosen_of
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.organizations import Organization, ids_of, read_own

DONE = {  # by what was done in the settings of an organization
    "leave": N_("You have left the organization."),
    "delete": N_("The organization is deleted."),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One's own organizations, and how many requests of each are open and have news."""

    places: list[Organization]
    open: Mapping[Workspace, int]
    unread: Mapping[Workspace, int]


@dataclass(frozen=True, slots=True)
class Switching:
    """`/organizations`."""

    site: Site
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /organizations: one's own, the active one marked."""
        viewer, choice = await read_as(self.site, request, read_choice)
        active = chosen_of(choice.places, active_of(request))
        done = said(DONE).get(request.query_params.get("done", ""))
        context = {"viewer": viewer, "choice": choice, "active": active, "done": done}
        return self.render(request, "organizations.html", context)

    async def choose(self, request: Request) -> Response:
        """POST /organizations (organization): this session goes on in it."""
        form, session = await read_form(request), visit_of(request).session
        if session is not None:
            await act_as(self.site, request, choose, session.id, form.get("organization"))
        return done(request, "/requests")


def read_choice(tx: Connection, viewer: Viewer) -> Choice:
    """Four statements."""
    places = [each for each in read_own(tx, viewer) if not each.internal]
    own = [each.workspace for each in places]
    return Choice(places, count_open(tx, viewer), count_unread(tx, viewer, own))


def choose(tx: Connection, deed: Deed, session_id: str, organization: str) -> None:
    """Make one's own organization the active one of a session. NotFound where it is not."""
    if organization not in ids_of(deed.viewer):
        raise NotFound(gettext("There is no such organization, or it is not yours."))
    sessions.choose(tx, session_id, organization)
