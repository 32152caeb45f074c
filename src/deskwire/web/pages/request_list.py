"""Requests: an organization's list, all companies' for the team, a new one, and one of them.

Pages go by forms and links alone; with a script the same forms are sent beside the page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events import channels
from deskwire.events.access import Access, Viewer
from deskwire.events.channels import STAFF_CHANNEL, PersonId
from deskwire.events.types.registry import PrincipalRef
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Forbidden, Invalid, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id, new_id
from deskwire.tickets.actions.create import RequestInput, create_request
from deskwire.tickets.files.attachments import list_unsent_files
from deskwire.tickets.participants import RequestPeople, read_request_people
from deskwire.tickets.priorities import PRIORITY_LABELS
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import (
    PAGE_SIZE,
    RequestFilter,
    RequestResults,
    Sort,
    parse_request_filter,
)
from deskwire.tickets.ticket import Ticket, list_ticket_channels
from deskwire.tickets.workspace_names import WorkspaceNames
from deskwire.web.dependencies import Dependencies, request_context, require_person
from deskwire.web.http.errors import CREATE_ORGANIZATION_PATH, status_of
from deskwire.web.http.uploads import discard_uploads_on_error, receive_files
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.categories import (
    Category,
    list_own_with_categories,
    list_visible_with_categories,
    read_categories,
)
from deskwire.workspaces.organizations.organizations import (
    Organization,
    list_own_organizations,
    list_visible_organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff, require

SORT_LABELS: Mapping[Sort, str] = {
    "active": N_("Latest activity"),
    "newest": N_("Newest"),
    "oldest": N_("Oldest"),
}
PUSH_URL_HEADER = "hx-push-url"  # what htmx writes into the address bar instead of all it has sent


@dataclass(frozen=True)
class RequestListView:
    """What a list of requests shows."""

    viewer: Viewer
    organization: Organization | None  # None: of all organizations
    organizations: list[Organization]  # to choose from
    categories: list[Category]
    results: RequestResults

    @property
    def people(self) -> RequestPeople:
        return self.results.people

    def channels_of(self, ticket: Ticket) -> str:
        """The channels that show a request, as its row says."""
        return " ".join(list_ticket_channels(ticket, self._generations))

    @cached_property
    def _generations(self) -> dict[str, int]:
        return {each.id: each.generation for each in self.organizations}


@dataclass(frozen=True, slots=True)
class ListLinks:
    """Addresses of the same list with one thing changed; what is as usual is left out."""

    path: str
    filters: RequestFilter
    organization_query: Mapping[str, str] = field(
        default_factory=dict
    )  # what names the organization

    def status(self, status: str | None) -> str:
        """Another tab, from its first page."""
        return self._url_with(status=status or "", after="")

    def after(self, key: str) -> str:
        """The page that begins after this key; the first one where it is empty."""
        return self._url_with(after=key)

    def toggle(self, name: str) -> str:
        """The other way round of a filter that is on or off."""
        return self._url_with(
            **{name: "" if self.filters.query_fields.get(name) else "yes"}, after=""
        )

    def without(self, name: str) -> str:
        """Without a filter."""
        return self._url_with(**{name: ""}, after="")

    @property
    def label_url_prefix(self) -> str:
        """What the address of all that have a label begins with; the label is its end."""
        return f"{self.path}?{urlencode({**self.organization_query, 'label': ''})}"

    @property
    def without_filters(self) -> str:
        """Without any filter, of the same organization; for the team of all."""
        named = {name: slug for name, slug in self.organization_query.items() if name != "company"}
        return f"{self.path}?{urlencode(named)}" if named else self.path

    def _url_with(self, **changed: str) -> str:
        fields = {**self.filters.query_fields, **changed}
        said = {name: value for name, value in fields.items() if value} | dict(
            self.organization_query
        )
        return f"{self.path}?{urlencode(said)}" if said else self.path


@dataclass(frozen=True, slots=True)
class RequestListPages:
    """`/requests`, `/requests/new` and `/admin`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /requests?organization=&status=&q=…: those of the active organization, or of the one
        that is named."""
        wish, person = parse_request_filter(request.query_params), require_person(request)
        named, active = (
            request.query_params.get("organization", ""),
            active_organization_id(request),
        )
        shown = await self.deps.db.read(
            read_organization_list, self.deps.access, person.id, named, active, wish
        )
        if shown is None or shown.organization is None:
            return RedirectResponse(CREATE_ORGANIZATION_PATH, 303)
        is_named = shown.organization.slug == named
        links = ListLinks("/requests", wish, {"organization": named} if is_named else {})
        return self._render_list(request, shown, wish, links)

    async def admin_index(self, request: Request) -> Response:
        """GET /admin?company=&status=&q=…: those of all companies, for the team."""
        wish, person = parse_request_filter(request.query_params), require_person(request)
        company = request.query_params.get("company", "")
        shown = await self.deps.db.read(read_admin_list, self.deps.access, person.id, company, wish)
        links = ListLinks(
            "/admin", wish, {"company": shown.organization.slug} if shown.organization else {}
        )
        return self._render_list(request, shown, wish, links)

    def _render_list(
        self, request: Request, view: RequestListView, filters: RequestFilter, links: ListLinks
    ) -> Response:
        context = {
            "viewer": view.viewer,
            "listing": view,
            "results": view.results,
            "filters": filters,
            "links": links,
            "label_url_prefix": links.label_url_prefix,
            "sort_labels": translate_labels(SORT_LABELS),
            "shows_opened_at": filters.sort != "active",  # what a row tells the time of
            "priority_labels": translate_labels(PRIORITY_LABELS),
            "is_admin": links.path == "/admin",
            "list_title": view.organization.name
            if view.organization is not None
            else gettext("All requests"),
            "scope": list_scope(view),
            "limit": PAGE_SIZE,
        }
        answer = self.render(request, "requests.html", context)
        answer.headers[PUSH_URL_HEADER] = links.after(filters.after)
        return answer

    async def new(self, request: Request) -> Response:
        """GET /requests/new?org=: a form with an id of its own, so that it is filed once."""
        return await self._render_form(request, {}, None)

    async def create(self, request: Request) -> Response:
        """POST /requests/new (id, organization, title, text, category, priority, file…)."""
        person, access = require_person(request).id, self.deps.access
        # Whose files they are to be is in the form itself: they are kept for its first place.
        found = await self.deps.db.read(
            read_form_options, access, person, active_organization_id(request)
        )
        if found[2] is None:
            return RedirectResponse(CREATE_ORGANIZATION_PATH, 303)
        received = await receive_files(request, self.deps.uploads, person, found[2].workspace)
        fields = {name: str(value) for name, value in received.fields.items()}
        sent = [*received.fields.getlist("file"), *(each.id for each in received.files)]
        try:
            async with discard_uploads_on_error(self.deps.uploads, person, received):
                row = await self.deps.db.write(
                    create_from_form, access, person, fields, sent, now()
                )
        except (Invalid, Conflict, Forbidden) as refusal:
            return await self._render_form(
                request, fields, refusal, received.fields.getlist("file")
            )
        return RedirectResponse(f"/requests/{row.id}", 303)

    async def _render_form(
        self,
        request: Request,
        fields: Mapping[str, str],
        refusal: Refusal | None,
        uploaded: Sequence[str] = (),
    ) -> Response:
        wanted = fields.get("organization") or request.query_params.get("org") or ""
        person = require_person(request)
        found = await self.deps.db.read(
            read_form_options,
            self.deps.access,
            person.id,
            wanted or active_organization_id(request),
        )
        viewer, places, place, categories, circle = found
        if place is None:
            return RedirectResponse(CREATE_ORGANIZATION_PATH, 303)
        kept = await self.deps.db.read(list_unsent_files, person.id, uploaded) if uploaded else []
        errors = refusal.fields if isinstance(refusal, Invalid) else {}
        if not is_id(fields.get("id", "")):  # or what was refused for it would be for ever
            fields = {**fields, "id": new_id()}
        context = {
            "viewer": viewer,
            "organizations": places,
            "organization": place,
            "categories": categories,
            "requesters": possible_requesters(viewer, place, circle),
            "priority_labels": translate_labels(PRIORITY_LABELS),
            "fields": fields,
            "uploaded_files": kept,
            "errors": errors,
            "alert": str(refusal) if refusal is not None and not errors else None,
        }
        status = 200 if refusal is None else status_of(refusal)
        return self.render(request, "request_new.html", context, status=status)


def active_organization_id(request: Request) -> str | None:
    """The id of the organization this session is in, as far as it has chosen one."""
    session = request_context(request).session
    return session.organization if session is not None else None


def read_organization_list(
    tx: Connection,
    access: Access,
    person: PersonId,
    requested_slug: str,
    active_id: str | None,
    filters: RequestFilter,
) -> RequestListView | None:
    """At most six statements; None for who belongs to no client's organization. `named`: the slug
    of one's own that is shown instead of the active one."""
    viewer = access.read_viewer(tx, person)
    described = {
        place: its
        for place, its in list_own_with_categories(tx, viewer).items()
        if not place.internal
    }
    is_own = any(each.slug == requested_slug for each in described)
    place = choose_organization(described, requested_slug if is_own else active_id)
    if place is None:
        return None
    known = WorkspaceNames({place.id: place}, {each.id: each.name for each in described[place]})
    found = list_requests.read_request_results(tx, viewer, place.workspace, filters, known)
    return RequestListView(viewer, place, [*described], described[place], found)


def read_admin_list(
    tx: Connection, access: Access, person: PersonId, organization_slug: str, filters: RequestFilter
) -> RequestListView:
    """For the team: of one company (by its slug) or of all. NotFound for everybody else."""
    viewer = access.read_viewer(tx, person)
    require_staff(viewer)
    described = {
        place: its
        for place, its in list_visible_with_categories(tx, viewer, organization_slug).items()
        if not place.internal
    }
    place = next((each for each in described if each.slug == organization_slug), None)
    categories = described[place] if place is not None else []
    known = WorkspaceNames(
        {each.id: each for each in described}, {each.id: each.name for each in categories}
    )
    if place is None:
        filters = replace(filters, category="", requester="")
    workspace = place.workspace if place is not None else None
    found = list_requests.read_request_results(tx, viewer, workspace, filters, known)
    return RequestListView(viewer, place, [*described], categories, found)


def require_staff(viewer: Viewer) -> None:
    """Raises Forbidden for who is not of the team."""
    if not is_staff(viewer):
        raise Forbidden(gettext("This page is for the team."))


def choose_organization(
    organizations: Collection[Organization], id_or_slug: str | None
) -> Organization | None:
    """The active one of somebody's organizations, by its id or slug; the first, if it is none."""
    chosen = (each for each in organizations if id_or_slug in (each.id, each.slug))
    return next(chosen, next(iter(organizations), None))


def list_scope(view: RequestListView) -> dict[str, str]:
    """What marks a list: its workspace for the store, and the channels that show it."""
    if view.organization is None:
        return {"workspace": "org:*", "channels": STAFF_CHANNEL}
    place = view.organization
    whole = channels.all_requests(place.id, place.generation)
    return {"workspace": place.workspace, "channels": f"{place.workspace} {whole} {STAFF_CHANNEL}"}


def read_form_options(
    tx: Connection, access: Access, person: PersonId, requested: str | None
) -> tuple[Viewer, list[Organization], Organization | None, list[Category], RequestPeople | None]:
    """What the form for a new request offers."""
    viewer = access.read_viewer(tx, person)
    places = [each for each in list_own_organizations(tx, viewer) if not each.internal]
    if is_staff(viewer):
        places = [each for each in list_visible_organizations(tx, viewer) if not each.internal]
    place = choose_organization(places, requested)
    if place is None:
        return viewer, places, None, [], None
    categories = [each for each in read_categories(tx, place.id) if not each.archived]
    return viewer, places, place, categories, read_request_people(tx, place.workspace)


def possible_requesters(
    viewer: Viewer, organization: Organization, people: RequestPeople | None
) -> list[PrincipalRef]:
    """In whose name the viewer may file a request."""
    if people is None or not can(viewer, Permission.FILE_FOR_OTHERS, organization.workspace):
        return []
    return list(people.members.values())


def create_from_form(
    tx: Connection,
    access: Access,
    person: PersonId,
    fields: Mapping[str, str],
    file_ids: Sequence[str],
    at: int,
) -> Any:  # noqa: ANN401 - a row
    """File what a form says; as the viewer is at this moment."""
    viewer = access.read_viewer(tx, person)
    place = read_visible_by_id(tx, viewer, fields.get("organization", ""))
    require(viewer, Permission.FILE, place.workspace)
    filing = RequestInput(
        fields.get("id", ""),
        fields.get("subject", ""),
        fields.get("text", ""),
        fields.get("category") or None,
        fields.get("priority") or None,
        file_ids,
        fields.get("requester") or None,
    )
    return create_request(tx, Actor(viewer, at), place, filing)
