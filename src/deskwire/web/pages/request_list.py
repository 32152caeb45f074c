"""List an organization's requests, or all of them for staff.

The pages work with forms and links alone; scripts send the same forms in the background.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL
from deskwire.kit.i18n import N_, gettext
from deskwire.tickets.participants import RequestPeople
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
from deskwire.web.context import (
    active_organization_id,
    choose_organization,
    read_as,
    require_staff,
)
from deskwire.web.dependencies import Dependencies
from deskwire.web.errors import CREATE_ORGANIZATION_PATH
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.list_links import PUSH_URL_HEADER, ListLinks
from deskwire.web.rendering.render import Render
from deskwire.workspaces.organizations.categories import (
    Category,
    list_own_with_categories,
    list_visible_with_categories,
)
from deskwire.workspaces.organizations.organizations import Organization

SORT_LABELS: Mapping[Sort, str] = {
    "active": N_("Latest activity"),
    "newest": N_("Newest"),
    "oldest": N_("Oldest"),
}


@dataclass(frozen=True)
class RequestListView:
    """Everything that a list of requests shows."""

    viewer: Viewer
    organization: Organization | None  # None for the list of all organizations
    organizations: list[Organization]  # to choose from
    categories: list[Category]
    results: RequestResults

    @property
    def people(self) -> RequestPeople:
        return self.results.people

    def channels_of(self, ticket: Ticket) -> str:
        """Return the channels that grant a request, separated by spaces."""
        return " ".join(list_ticket_channels(ticket, self._generations))

    @cached_property
    def _generations(self) -> dict[str, int]:
        return {each.id: each.generation for each in self.organizations}


@dataclass(frozen=True, slots=True)
class RequestListPages:
    """`/requests` and `/admin`."""

    deps: Dependencies
    render: Render

    async def index(self, request: Request) -> Response:
        """GET /requests?organization=&status=&q=…: of the active organization, or the named one."""
        filters = parse_request_filter(request.query_params)
        slug = request.query_params.get("organization", "")
        _viewer, view = await read_as(
            self.deps,
            request,
            read_organization_list,
            slug,
            active_organization_id(request),
            filters,
        )
        if view is None or view.organization is None:
            return RedirectResponse(CREATE_ORGANIZATION_PATH, 303)
        organization_query = {"organization": slug} if view.organization.slug == slug else {}
        links = ListLinks("/requests", filters.query_fields, organization_query)
        return self._render_list(request, view, filters, links)

    async def admin_index(self, request: Request) -> Response:
        """GET /admin?company=&status=&q=…: of all organizations, or one; for staff."""
        filters = parse_request_filter(request.query_params)
        slug = request.query_params.get("company", "")
        _viewer, view = await read_as(self.deps, request, read_admin_list, slug, filters)
        organization_query = {"company": view.organization.slug} if view.organization else {}
        links = ListLinks("/admin", filters.query_fields, organization_query)
        return self._render_list(request, view, filters, links)

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
            "shows_opened_at": filters.sort != "active",  # else rows show the latest activity
            "priority_labels": translate_labels(PRIORITY_LABELS),
            "is_admin": links.path == "/admin",
            "list_title": view.organization.name
            if view.organization is not None
            else gettext("All requests"),
            "scope": list_scope(view),
            "limit": PAGE_SIZE,
        }
        response = self.render(request, "requests.html", context)
        response.headers[PUSH_URL_HEADER] = links.after(filters.after)
        return response


def read_organization_list(
    tx: Connection,
    viewer: Viewer,
    requested_slug: str,
    active_id: str | None,
    filters: RequestFilter,
) -> RequestListView | None:
    """Read the requests of one of the viewer's organizations, in at most six statements.

    `requested_slug` chooses one instead of the active one. None if the viewer is not a member of
    any client organization.
    """
    categories_of = {
        organization: categories
        for organization, categories in list_own_with_categories(tx, viewer).items()
        if not organization.internal
    }
    is_own = any(each.slug == requested_slug for each in categories_of)
    organization = choose_organization(categories_of, requested_slug if is_own else active_id)
    if organization is None:
        return None
    categories = categories_of[organization]
    names = WorkspaceNames(
        {organization.id: organization}, {each.id: each.name for each in categories}
    )
    results = list_requests.read_request_results(tx, viewer, organization.workspace, filters, names)
    return RequestListView(viewer, organization, [*categories_of], categories, results)


def read_admin_list(
    tx: Connection, viewer: Viewer, organization_slug: str, filters: RequestFilter
) -> RequestListView:
    """Read the requests of all organizations, or of the one with this slug.

    Raises Forbidden unless the viewer is staff.
    """
    require_staff(viewer)
    categories_of = {
        organization: categories
        for organization, categories in list_visible_with_categories(
            tx, viewer, organization_slug
        ).items()
        if not organization.internal
    }
    organization = next((each for each in categories_of if each.slug == organization_slug), None)
    categories = categories_of[organization] if organization is not None else []
    names = WorkspaceNames(
        {each.id: each for each in categories_of}, {each.id: each.name for each in categories}
    )
    if organization is None:  # these filters need an organization
        filters = replace(filters, category="", requester="")
    workspace = organization.workspace if organization is not None else None
    results = list_requests.read_request_results(tx, viewer, workspace, filters, names)
    return RequestListView(viewer, organization, [*categories_of], categories, results)


def list_scope(view: RequestListView) -> dict[str, str]:
    """Return the workspace whose events the client store applies, and the list's channels."""
    organization = view.organization
    if organization is None:
        return {"workspace": "org:*", "channels": STAFF_CHANNEL}
    workspace = organization.workspace
    all_requests = channels.all_requests(organization.id, organization.generation)
    return {"workspace": workspace, "channels": f"{workspace} {all_requests} {STAFF_CHANNEL}"}
