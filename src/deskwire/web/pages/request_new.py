"""Create a request from a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events.access import Viewer
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.errors import Conflict, Forbidden, Invalid, RateLimited, Refusal
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.actions.create import RequestInput, create_request
from deskwire.tickets.files.attachments import list_unsent_files
from deskwire.tickets.participants import RequestPeople, read_request_people
from deskwire.tickets.prepared_text import PreparedText
from deskwire.tickets.priorities import PRIORITY_LABELS
from deskwire.web.context import act_as, active_organization_id, choose_organization, read_as
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import CREATE_ORGANIZATION_PATH, status_of
from deskwire.web.http.forms import respond_done
from deskwire.web.http.uploads import discard_uploads_on_error, receive_files
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.categories import Category, read_categories
from deskwire.workspaces.organizations.organizations import (
    Organization,
    list_own_organizations,
    list_visible_organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff, require


@dataclass(frozen=True, slots=True)
class FormOptions:
    """What the form for a new request offers."""

    organizations: list[Organization]
    organization: Organization | None  # the selected one; None if there are none
    categories: list[Category]
    people: RequestPeople | None


@dataclass(frozen=True, slots=True)
class RequestNewPages:
    """`/requests/new`."""

    deps: Dependencies
    render: Render

    async def new(self, request: Request) -> Response:
        """GET /requests/new?org=.

        The form holds the id of the request, so that submitting it twice creates one request.
        """
        return await self._render_form(request, {}, None)

    async def create(self, request: Request) -> Response:
        """POST /requests/new (id, organization, title, text, category, priority, file…)."""
        # The form names the organization, but its files arrive with it: store them for the
        # active one. The request may still be created in another.
        viewer, options = await read_as(
            self.deps, request, read_form_options, active_organization_id(request)
        )
        if options.organization is None:
            return RedirectResponse(CREATE_ORGANIZATION_PATH, 303)
        uploads, workspace = self.deps.uploads, options.organization.workspace
        received = await receive_files(request, uploads, viewer.subject, workspace)
        fields = {name: str(value) for name, value in received.fields.items()}
        uploaded = received.fields.getlist("file")
        file_ids = [*uploaded, *(each.id for each in received.files)]
        try:
            async with discard_uploads_on_error(uploads, viewer.subject, received):
                text = await self.deps.texts.prepare(viewer.subject, fields.get("text", ""))
                row = await act_as(self.deps, request, create_from_form, fields, text, file_ids)
        except (Invalid, Conflict, Forbidden, RateLimited) as refusal:
            return await self._render_form(request, fields, refusal, uploaded)
        return respond_done(request, f"/requests/{row.id}", id=row.id)

    async def _render_form(
        self,
        request: Request,
        fields: Mapping[str, str],
        refusal: Refusal | None,
        uploaded: Sequence[str] = (),
    ) -> Response:
        requested = fields.get("organization") or request.query_params.get("org") or ""
        viewer, options = await read_as(
            self.deps, request, read_form_options, requested or active_organization_id(request)
        )
        if options.organization is None:
            return RedirectResponse(CREATE_ORGANIZATION_PATH, 303)
        uploaded_files = []
        if uploaded:
            uploaded_files = await self.deps.db.read(list_unsent_files, viewer.subject, uploaded)
        errors = refusal.fields if isinstance(refusal, Invalid) else {}
        if not is_id(fields.get("id", "")):  # an invalid id would be refused again and again
            fields = {**fields, "id": new_id()}
        context = {
            "viewer": viewer,
            "organizations": options.organizations,
            "organization": options.organization,
            "categories": options.categories,
            "requesters": possible_requesters(viewer, options.organization, options.people),
            "priority_labels": translate_labels(PRIORITY_LABELS),
            "fields": fields,
            "uploaded_files": uploaded_files,
            "errors": errors,
            "alert": str(refusal) if refusal is not None and not errors else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "request_new.html", context, status=status)


def read_form_options(tx: Connection, viewer: Viewer, requested: str | None) -> FormOptions:
    """Read what the form offers; `requested` is the id or slug of the organization to select."""
    list_organizations = list_visible_organizations if is_staff(viewer) else list_own_organizations
    organizations = [each for each in list_organizations(tx, viewer) if not each.internal]
    organization = choose_organization(organizations, requested)
    if organization is None:
        return FormOptions(organizations, None, [], None)
    categories = [each for each in read_categories(tx, organization.id) if not each.archived]
    people = read_request_people(tx, organization.workspace)
    return FormOptions(organizations, organization, categories, people)


def possible_requesters(
    viewer: Viewer, organization: Organization, people: RequestPeople | None
) -> list[PrincipalRef]:
    """Return the people on whose behalf the viewer may create a request."""
    if people is None or not can(viewer, Permission.FILE_FOR_OTHERS, organization.workspace):
        return []
    return list(people.members.values())


def create_from_form(
    tx: Connection,
    actor: Actor,
    fields: Mapping[str, str],
    text: str | PreparedText,
    file_ids: Sequence[str],
) -> Any:  # noqa: ANN401 - a row
    """Create the request that a form describes; return its row. `text` is its description.

    Raises NotFound, Forbidden, Invalid or Conflict.
    """
    organization = read_visible_by_id(tx, actor.viewer, fields.get("organization", ""))
    require(actor.viewer, Permission.FILE, organization.workspace)
    request = RequestInput(
        fields.get("id", ""),
        fields.get("subject", ""),
        text,
        fields.get("category") or None,
        fields.get("priority") or None,
        file_ids,
        fields.get("requester") or None,
    )
    return create_request(tx, actor, organization, request)
