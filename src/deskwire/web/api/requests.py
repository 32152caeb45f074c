"""Requests over the API: lists of them, one of them, and what is done to it."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.events.types.registry import Named
from deskwire.kit.errors import Invalid
from deskwire.kit.ids import new_id
from deskwire.tickets.actions import post_message, record, update
from deskwire.tickets.actions.create import Filing, file_request
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import Found, Listed, Wish, parse_wish, read_one
from deskwire.tickets.state import parse_tags
from deskwire.tickets.validation import parse_label
from deskwire.tickets.workspace_names import Places
from deskwire.web.api.operations import Call
from deskwire.web.api.organization_lookup import read_named, read_place
from deskwire.web.api.request_shapes import (
    NewRequest,
    OfOrganization,
    Participant,
    RequestChange,
    RequestInFull,
    RequestNow,
    RequestPage,
    RequestQuery,
    WatchQuery,
)
from deskwire.web.pages.request_list import demand_staff
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.organizations import Organization

TAKE_NEXT = "Take `after` from `next` of the page before."


async def list_own(call: Call, query: RequestQuery) -> RequestPage:
    """List the requests of an organization.

    Of the active one, or of the one that is named, as far as you may see them.
    """
    found = await call.read(_find_own, call.active, query.organization, wish_of(query))
    return _page_of(call, found)


async def list_all(call: Call, query: RequestQuery) -> RequestPage:
    """List the requests of all organizations.

    For the team. `organization` narrows it to one.
    """
    found = await call.read(_find_all, query.organization, wish_of(query))
    return _page_of(call, found)


async def file(call: Call, query: OfOrganization, given: NewRequest) -> RequestInFull:
    """File a request."""
    id_ = await call.write(_file, call.active, query.organization, given)
    call.headers["location"] = f"/api/requests/{id_}"
    return await call.read(read_in_full, id_)


async def show(call: Call) -> RequestInFull:
    """Show a request."""
    return await call.read(read_in_full, call.id("request"))


async def change(call: Call, given: RequestChange) -> RequestInFull:
    """Change a request.

    Clients change the title of their own, cancel it, and reopen it for a while; the rest is the
    team's.
    """
    id_ = call.id("request")
    await call.write(_change, id_, given, call.site.reopen_days)
    return await call.read(read_in_full, id_)


async def delete(call: Call) -> None:
    """Delete a request.

    For moderators of the team. Nobody gets it back.
    """
    await call.write(update.remove, call.id("request"))


async def watch(call: Call, query: WatchQuery) -> None:
    """Watch a request.

    Oneself; managers and the team may have somebody else watch it.
    """
    await call.write(update.watch, call.id("request"), query.person or call.person)


async def unwatch(call: Call, query: WatchQuery) -> None:
    """Watch a request no more."""
    await call.write(update.unwatch, call.id("request"), query.person or call.person)


async def read(call: Call) -> None:
    """Note that you have read what is there now."""
    await call.write(post_message.mark_all_read, call.id("request"))


def wish_of(query: RequestQuery) -> Wish:
    """What a query asks for. Invalid where `after` is no key."""
    said = query.model_dump(exclude={"organization", "unread", "waiting"}, exclude_none=True)
    flags = {name: "yes" for name in ("unread", "waiting") if getattr(query, name)}
    wish = parse_wish({**said, **flags})
    if wish.after != query.after:
        raise Invalid(TAKE_NEXT, {"?after": "No such place."})
    return wish


def read_in_full(tx: Connection, viewer: Viewer, id_: str) -> RequestInFull:
    """One request the viewer may see; NotFound otherwise."""
    listed, circle = read_one(tx, viewer, id_)
    part = [Participant(id=who.id, name=who.name, role=role) for who, role in circle.taking_part]
    return RequestInFull(**dict(request_now(listed)), participants=part)


def request_now(listed: Listed) -> RequestNow:
    """A request as lists show it."""
    ticket, now = listed.ticket, listed.ticket.now
    return RequestNow(
        id=ticket.id,
        reference=now.reference or "",
        number=now.number,
        organization=now.place or Named(id=ticket.workspace.removeprefix("org:"), name=""),
        subject=now.subject,
        status=now.status,
        status_label=now.status_label,
        requester=now.opener,
        assignee=now.assignee,
        category=now.category,
        priority=now.priority,
        labels=now.tags,
        messages=now.messages,
        unread=listed.unread,
        opened_at=now.opened_at,
        active_at=now.active_at,
        closed_at=ticket.closed_at,
        revision=ticket.revision,
        href=now.href,
    )


def link_next(call: Call, after: str | None) -> None:
    """Say where the next page is (RFC 8288)."""
    if after is not None:
        said = {**dict(call.request.query_params), "after": after}
        call.headers["link"] = f'<{call.request.url.path}?{urlencode(said)}>; rel="next"'


def _page_of(call: Call, found: Found) -> RequestPage:
    link_next(call, found.next)
    items = [request_now(each) for each in found.requests]
    return RequestPage(items=items, next=found.next, counts=found.counts, cursor=call.cursor)


def _find_own(
    tx: Connection, viewer: Viewer, active: str | None, named: str | None, wish: Wish
) -> Found:
    return _find_in(tx, viewer, read_place(tx, viewer, named, active), wish)


def _find_all(tx: Connection, viewer: Viewer, named: str | None, wish: Wish) -> Found:
    demand_staff(viewer)
    if named is not None:
        return _find_in(tx, viewer, read_named(tx, viewer, named), wish)
    return list_requests.find(tx, viewer, None, wish)


def _find_in(tx: Connection, viewer: Viewer, place: Organization, wish: Wish) -> Found:
    return list_requests.find(tx, viewer, place.workspace, wish, Places({place.id: place}))


def _file(
    tx: Connection, deed: Deed, active: str | None, named: str | None, given: NewRequest
) -> str:
    place = read_place(tx, deed.viewer, named, active)
    filing = Filing(
        given.id or new_id(),
        given.subject,
        given.text,
        given.category,
        given.priority,
        given.files,
        given.requester,
    )
    return str(file_request(tx, deed, place, filing).id)


def _change(tx: Connection, deed: Deed, id_: str, given: RequestChange, reopen_days: int) -> None:
    said = given.model_fields_set
    row = record.hold(tx, deed, id_)
    if not said:
        raise Invalid("Nothing was to be changed. Say what.", {"#": "Say what is to be changed."})
    if "subject" in said:
        update.retitle(tx, deed, id_, given.subject)
    if "category" in said:
        update.categorise(tx, deed, id_, given.category)
    if "priority" in said:
        update.prioritise(tx, deed, id_, given.priority)
    if "labels" in said:
        _label(tx, deed, id_, given.labels, set(parse_tags(row.tags) or []))
    if "assignee" in said:
        update.assign(tx, deed, id_, given.assignee)
    if "status" in said:
        update.move(tx, deed, id_, given.status, reopen_days)


def _label(tx: Connection, deed: Deed, id_: str, wanted: list[str], held: set[str]) -> None:
    try:
        kept = {parse_label(each) for each in wanted}
        update.label(tx, deed, id_, add=kept - held, remove=held - kept)
    except Invalid as refusal:
        raise Invalid(str(refusal), {"labels": str(refusal)}) from None
