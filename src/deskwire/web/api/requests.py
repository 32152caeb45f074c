"""Serve requests over the API: list, create, show, update, delete, watch, and mark as read."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.events.types.registry import NamedRef
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import create, mark_read, update
from deskwire.tickets.actions.create import RequestInput
from deskwire.tickets.actions.record import lock_for_update
from deskwire.tickets.prepared_text import PreparedText
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import (
    ListedRequest,
    RequestFilter,
    RequestResults,
    parse_request_filter,
    read_request,
    read_request_row,
)
from deskwire.tickets.request_fields import read_plain_values
from deskwire.tickets.workspace_names import WorkspaceNames
from deskwire.web.api.operations import Call, add_next_link, empty_patch_error, invalid_after_error
from deskwire.web.api.organization_lookup import read_named_or_active, read_organization_by_ref
from deskwire.web.api.request_shapes import (
    NewRequest,
    OrganizationQuery,
    Participant,
    RequestChange,
    RequestInFull,
    RequestNow,
    RequestPage,
    RequestQuery,
    WatchQuery,
)
from deskwire.web.api.shapes import PatchBody
from deskwire.web.context import require_staff
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import Organization


async def list_organization_requests(call: Call, query: RequestQuery) -> RequestPage:
    """List the requests of an organization.

    Those you may see of the organization named in the query, or of your active organization,
    newest first.
    """
    results = await call.read(
        _list_own, call.active_organization_id, query.organization, parse_query_filter(query)
    )
    return _to_page(call, results)


async def list_all_requests(call: Call, query: RequestQuery) -> RequestPage:
    """List the requests of all organizations.

    For staff, newest first. `organization` limits the list to one organization.
    """
    results = await call.read(_list_all, query.organization, parse_query_filter(query))
    return _to_page(call, results)


async def create_request(call: Call, query: OrganizationQuery, body: NewRequest) -> RequestInFull:
    """Create a request.

    In the organization named in the query, or in your active organization.
    """
    text = await call.prepare_text(body.text)
    id_ = await call.make(_create, call.active_organization_id, query.organization, body, text)
    call.headers["location"] = f"/api/requests/{id_}"
    return await call.read(read_full_request, id_)


async def show_request(call: Call) -> RequestInFull:
    """Get a request."""
    return await call.read(read_full_request, call.path_id("request"))


async def update_request(call: Call, body: RequestChange) -> RequestInFull:
    """Update a request.

    Clients may change the subject of their own requests, cancel them, and reopen completed ones
    for a limited time. Everything else is for staff.
    """
    id_ = await call.make(_apply_change, call.path_id("request"), body, call.deps.reopen_days)
    return await call.read(read_full_request, id_)


async def delete_request(call: Call) -> None:
    """Delete a request.

    For moderators. A deleted request cannot be restored.
    """
    await call.write(update.delete_request, call.path_id("request"))


async def add_watcher(call: Call, query: WatchQuery) -> None:
    """Watch a request.

    Managers and staff may add another person as a watcher.
    """
    await call.write(update.add_watcher, call.path_id("request"), query.person or call.person_id)


async def remove_watcher(call: Call, query: WatchQuery) -> None:
    """Stop watching a request.

    Managers and staff may remove another person.
    """
    await call.write(update.remove_watcher, call.path_id("request"), query.person or call.person_id)


async def mark_request_read(call: Call) -> None:
    """Mark a request as read."""
    await call.read(read_request_row, await call.make(_mark_read, call.path_id("request")))


def parse_query_filter(query: RequestQuery) -> RequestFilter:
    """Parse the query of a list. Raises Invalid if `after` is not a page key."""
    fields = query.model_dump(exclude={"organization", "unread", "waiting"}, exclude_none=True)
    flags = {name: "yes" for name in ("unread", "waiting") if getattr(query, name)}
    filters = parse_request_filter({**fields, **flags})
    if filters.after != query.after:
        raise invalid_after_error()
    return filters


def read_full_request(tx: Connection, viewer: Viewer, id_: str) -> RequestInFull:
    """Read a request with its participants. Raises NotFound unless the viewer may see it."""
    listed, people = read_request(tx, viewer, id_)
    participants = [
        Participant(id=person.id, name=person.name, role=role)
        for person, role in people.participants
    ]
    return RequestInFull(**dict(to_request_now(listed)), participants=participants)


def to_request_now(listed: ListedRequest) -> RequestNow:
    """Convert a request of a list to its shape."""
    ticket, now = listed.ticket, listed.ticket.now
    return RequestNow(
        id=ticket.id,
        reference=now.reference or "",
        number=now.number,
        organization=now.place or NamedRef(id=ticket.workspace.removeprefix("org:"), name=""),
        subject=now.subject,
        status=now.status,
        status_label=now.status_label,
        requester=now.opener,
        assignee=now.assignee,
        category=now.category,
        **read_plain_values(now, RequestNow),
        labels=now.tags,
        messages=now.messages,
        unread=listed.unread,
        opened_at=now.opened_at,
        active_at=now.active_at,
        closed_at=ticket.closed_at,
        revision=ticket.revision,
        href=now.href,
    )


def _to_page(call: Call, results: RequestResults) -> RequestPage:
    add_next_link(call, results.next)
    items = [to_request_now(each) for each in results.requests]
    return RequestPage(items=items, next=results.next, counts=results.counts, cursor=call.cursor)


def _list_own(
    tx: Connection,
    viewer: Viewer,
    active_id: str | None,
    organization_ref: str | None,
    filters: RequestFilter,
) -> RequestResults:
    return _list_in_organization(
        tx, viewer, read_named_or_active(tx, viewer, organization_ref, active_id), filters
    )


def _list_all(
    tx: Connection, viewer: Viewer, organization_ref: str | None, filters: RequestFilter
) -> RequestResults:
    require_staff(viewer)
    if organization_ref is not None:
        return _list_in_organization(
            tx, viewer, read_organization_by_ref(tx, viewer, organization_ref), filters
        )
    return list_requests.read_request_results(tx, viewer, None, filters)


def _list_in_organization(
    tx: Connection, viewer: Viewer, organization: Organization, filters: RequestFilter
) -> RequestResults:
    return list_requests.read_request_results(
        tx, viewer, organization.workspace, filters, WorkspaceNames({organization.id: organization})
    )


def _create(
    tx: Connection,
    actor: Actor,
    active_id: str | None,
    organization_ref: str | None,
    body: NewRequest,
    text: str | PreparedText,
) -> str:
    organization = read_named_or_active(tx, actor.viewer, organization_ref, active_id)
    request = RequestInput(
        body.id or new_id(),
        body.subject,
        text,
        body.category,
        body.priority,
        body.files,
        body.requester,
    )
    return str(create.create_request(tx, actor, organization, request).id)


def _apply_change(tx: Connection, actor: Actor, id_: str, body: PatchBody, reopen_days: int) -> str:
    patch = {name: getattr(body, name) for name in body.model_fields_set}
    if not patch:
        lock_for_update(tx, actor, id_)  # 404 for a hidden request, even if the body is invalid
        raise empty_patch_error()
    update.update(tx, actor, id_, patch, reopen_days)
    return id_


def _mark_read(tx: Connection, actor: Actor, id_: str) -> str:
    mark_read.mark_all_read(tx, actor, id_)
    return id_
