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
from deskwire.tickets.queries.counts import count_open_by_workspace
from deskwire.tickets.queries.list_requests import count_unread
from deskwire.web.context import act_as, read_as
from deskwire.web.dependencies import Dependencies, request_context
from deskwire.web.http.forms import read_form, respond_done
from deskwire.web.pages.request_list import active_organization_id, choose_organization
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import (
    Organization,
    list_own_organizations,
    organization_ids_of,
)

DONE_MESSAGES = {  # by what was done in the settings of an organization
    "leave": N_("You have left the organization."),
    "delete": N_("The organization is deleted."),
}


@dataclass(frozen=True, slots=True)
class OwnOrganizations:
    """One's own organizations, and how many requests of each are open and have news."""

    organizations: list[Organization]
    open_counts: Mapping[Workspace, int]
    unread_counts: Mapping[Workspace, int]


@dataclass(frozen=True, slots=True)
class OrganizationSwitcherPages:
    """`/organizations`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /organizations: one's own, the active one marked."""
        viewer, choice = await read_as(self.deps, request, read_own_organizations)
        active = choose_organization(choice.organizations, active_organization_id(request))
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {"viewer": viewer, "own": choice, "active": active, "done": done}
        return self.render(request, "organizations.html", context)

    async def choose(self, request: Request) -> Response:
        """POST /organizations (organization): this session goes on in it."""
        form, session = await read_form(request), request_context(request).session
        if session is not None:
            await act_as(
                self.deps, request, choose_own_organization, session.id, form.get("organization")
            )
        return respond_done(request, "/requests")


def read_own_organizations(tx: Connection, viewer: Viewer) -> OwnOrganizations:
    """Four statements."""
    places = [each for each in list_own_organizations(tx, viewer) if not each.internal]
    own = [each.workspace for each in places]
    return OwnOrganizations(
        places, count_open_by_workspace(tx, viewer), count_unread(tx, viewer, own)
    )


def choose_own_organization(
    tx: Connection, actor: Actor, session_id: str, organization: str
) -> None:
    """Make one's own organization the active one of a session. NotFound where it is not."""
    if organization not in organization_ids_of(actor.viewer):
        raise NotFound(gettext("There is no such organization, or it is not yours."))
    sessions.store_active_organization(tx, session_id, organization)
