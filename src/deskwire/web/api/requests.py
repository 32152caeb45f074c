"""Requests over the API: lists of them, one of them, and what is done to it."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.events.types.registry import NamedRef
from deskwire.kit.errors import Invalid
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import mark_read, update
from deskwire.tickets.actions.create import RequestInput, create_request
from deskwire.tickets.actions.record import lock_for_update
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import (
    ListedRequest,
    RequestFilter,
    RequestResults,
    parse_request_filter,
    read_request,
)
from deskwire.tickets.request_fields import read_plain_values
from deskwire.tickets.workspace_names import WorkspaceNames
from deskwire.web.api.operations import Call
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
from deskwire.web.pages.request_list import require_staff
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import Organization

INVALID_AFTER = "Take `after` from `next` of the page before."


async def list_own(call: Call, query: RequestQuery) -> RequestPage:
    """List the requests of an organization.

    Of the active one, or of the one that is named, as far as you may see them.
    """
    found = await call.read(
        _list_own, call.active_organization_id, query.organization, parse_query_filter(query)
    )
    return _to_page(call, found)


async def list_all(call: Call, query: RequestQuery) -> RequestPage:
    """List the requests of all organizations.

    For the team. `organization` narrows it to one.
    """
    found = await call.read(_list_all, query.organization, parse_query_filter(query))
    return _to_page(call, found)


async def file(call: Call, query: OrganizationQuery, body: NewRequest) -> RequestInFull:
    """File a request."""
    id_ = await call.write(_create, call.active_organization_id, query.organization, body)
    call.headers["location"] = f"/api/requests/{id_}"
    return await call.read(read_full_request, id_)


async def show(call: Call) -> RequestInFull:
    """Show a request."""
    return await call.read(read_full_request, call.path_id("request"))


async def change(call: Call, body: RequestChange) -> RequestInFull:
    """Change a request.

    Clients change the title of their own, cancel it, and reopen it for a while; the rest is the
    team's.
    """
    id_ = call.path_id("request")
    await call.write(_apply_change, id_, body, call.deps.reopen_days)
    return await call.read(read_full_request, id_)


async def delete(call: Call) -> None:
    """Delete a request.

    For moderators of the team. Nobody gets it back.
    """
    await call.write(update.delete_request, call.path_id("request"))


async def watch(call: Call, query: WatchQuery) -> None:
    """Watch a request.

    Oneself; managers and the team may have somebody else watch it.
    """
    await call.write(update.add_watcher, call.path_id("request"), query.person or call.person_id)


async def unwatch(call: Call, query: WatchQuery) -> None:
    """Watch a request no more."""
    await call.write(update.remove_watcher, call.path_id("request"), query.person or call.person_id)


async def read(call: Call) -> None:
    """Note that you have read what is there now."""
    await call.write(mark_read.mark_all_read, call.path_id("request"))


def parse_query_filter(query: RequestQuery) -> RequestFilter:
    """What a query asks for. Invalid where `after` is no key."""
    said = query.model_dump(exclude={"organization", "unread", "waiting"}, exclude_none=True)
    flags = {name: "yes" for name in ("unread", "waiting") if getattr(query, name)}
    wish = parse_request_filter({**said, **flags})
    if wish.after != query.after:
        raise Invalid(INVALID_AFTER, {"?after": "No such place."})
    return wish


def read_full_request(tx: Connection, viewer: Viewer, id_: str) -> RequestInFull:
    """One request the viewer may see; NotFound otherwise."""
    listed, circle = read_request(tx, viewer, id_)
    part = [Participant(id=who.id, name=who.name, role=role) for who, role in circle.participants]
    return RequestInFull(**dict(to_request_now(listed)), participants=part)


def to_request_now(listed: ListedRequest) -> RequestNow:
    """A request as lists show it."""
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


def add_next_link(call: Call, after: str | None) -> None:
    """Say where the next page is (RFC 8288)."""
    if after is not None:
        said = {**dict(call.request.query_params), "after": after}
        call.headers["link"] = f'<{call.request.url.path}?{urlencode(said)}>; rel="next"'


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
) -> str:
    place = read_named_or_active(tx, actor.viewer, organization_ref, active_id)
    filing = RequestInput(
        body.id or new_id(),
        body.subject,
        body.text,
        body.category,
        body.priority,
        body.files,
        body.requester,
    )
    return str(create_request(tx, actor, place, filing).id)


def _apply_change(
    tx: Connection, actor: Actor, id_: str, body: PatchBody, reopen_days: int
) -> None:
    patch = {name: getattr(body, name) for name in body.model_fields_set}
    if not patch:
        lock_for_update(tx, actor, id_)  # a hidden request is not found, whatever the body
        raise Invalid("Nothing was to be changed. Say what.", {"#": "Say what is to be changed."})
    update.update(tx, actor, id_, patch, reopen_days)
