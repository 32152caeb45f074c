"""Switch the active organization of a session: list one's own organizations, and choose one."""

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
from deskwire.web.context import (
    act_as,
    active_organization_id,
    choose_organization,
    read_as,
    request_context,
)
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.forms import read_form, respond_done
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import (
    Organization,
    list_own_organizations,
    organization_ids_of,
)

DONE_MESSAGES = {  # by the action in an organization's settings that led here
    "leave": N_("You left the organization."),
    "delete": N_("The organization was deleted."),
}


@dataclass(frozen=True, slots=True)
class OwnOrganizations:
    """A person's organizations, with their numbers of open and unread requests."""

    organizations: list[Organization]
    open_counts: Mapping[Workspace, int]
    unread_counts: Mapping[Workspace, int]


@dataclass(frozen=True, slots=True)
class OrganizationSwitcherPages:
    """`/organizations`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /organizations: one's own, with the active one marked."""
        viewer, own = await read_as(self.deps, request, read_own_organizations)
        active = choose_organization(own.organizations, active_organization_id(request))
        done = translate_labels(DONE_MESSAGES).get(request.query_params.get("done", ""))
        context = {"viewer": viewer, "own": own, "active": active, "done": done}
        return self.render(request, "organizations.html", context)

    async def choose(self, request: Request) -> Response:
        """POST /organizations (organization): make it the active one of this session."""
        form, session = await read_form(request), request_context(request).session
        if session is not None:
            await act_as(
                self.deps, request, choose_own_organization, session.id, form.get("organization")
            )
        return respond_done(request, "/requests")


def read_own_organizations(tx: Connection, viewer: Viewer) -> OwnOrganizations:
    """Read the client organizations the viewer is a member of, in four statements."""
    organizations = [each for each in list_own_organizations(tx, viewer) if not each.internal]
    workspaces = [each.workspace for each in organizations]
    return OwnOrganizations(
        organizations, count_open_by_workspace(tx, viewer), count_unread(tx, viewer, workspaces)
    )


def choose_own_organization(
    tx: Connection, actor: Actor, session_id: str, organization_id: str
) -> None:
    """Make an organization the session's active one. Raises NotFound unless it is one's own."""
    if organization_id not in organization_ids_of(actor.viewer):
        raise NotFound(gettext("This organization doesn’t exist, or you aren’t a member."))
    sessions.store_active_organization(tx, session_id, organization_id)
