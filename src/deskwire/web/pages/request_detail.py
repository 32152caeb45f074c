"""One request: its page, what is written in it, and what the team and its requester do to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import anyio.to_thread
from sqlalchemy import Connection, Row
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Access, Viewer
from deskwire.events.channels import PersonId, Workspace
from deskwire.events.types.registry import Attached, Line, Who
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message, update
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.actions.update import why_not_move
from deskwire.tickets.files import attachments
from deskwire.tickets.markdown import render as render_markdown
from deskwire.tickets.participants import Circle, read_circle
from deskwire.tickets.queries.list_requests import read_row
from deskwire.tickets.statuses import ENDED, STATUSES, Status
from deskwire.tickets.ticket import Ticket, held_by, named
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import parse_text
from deskwire.tickets.visibility import read_at, read_visible_id
from deskwire.tickets.workspace_names import Places, read_places
from deskwire.web.context import act_as
from deskwire.web.dependencies import Site, person_of
from deskwire.web.http.forms import Form, done, read_form
from deskwire.web.http.uploads import receive_files, sent_or_forgotten
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render, fragments_wanted
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.organizations import Category, Organization, read_described
from deskwire.workspaces.organizations.permissions import Right, is_staff, may

View = Literal["conversation", "files", "history"]  # parts of the page; one is shown at a time
VIEWS: tuple[View, ...] = get_args(View)
STEPS: tuple[Status, ...] = ("new", "active", "review", "done")  # of an ordinary life


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a request's page shows, and what its viewer may do."""

    viewer: Viewer
    ticket: Ticket
    place: Organization | None
    lines: list[Line]
    files: list[Attached]
    participants: list[tuple[Who, str]]
    circle: Circle
    categories: list[Category]
    held: str
    is_unread: bool
    may: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class RequestPage:
    """`/requests/{id}` and what is posted below it."""

    site: Site
    render: Render

    async def show(self, request: Request) -> Response:
        """GET …?view=: whoever looks at the conversation has read it."""
        person, id_ = person_of(request), str(request.path_params["request"])
        days = self.site.reopen_days
        shown = await self.site.db.read(read_shown, self.site.access, person.id, id_, days)
        view = next((view for view in VIEWS if view == request.query_params.get("view")), VIEWS[0])
        wanted = fragments_wanted(request)
        is_read = view == "conversation" and (wanted is None or "timeline" in wanted)
        if shown.is_unread and is_read:
            await act_as(self.site, request, post_message.mark_all_read, id_)
        context = {
            "viewer": shown.viewer,
            "shown": shown,
            "ticket": shown.ticket,
            "view": view,
            "me": person.id,
            "is_staff": is_staff(shown.viewer),
            "steps": STEPS,
            "priorities": said(PRIORITY_LABELS),
        }
        return self.render(request, "request.html", context)

    async def say(self, request: Request) -> Response:
        """POST …/messages (id, text, kind, file…): write a reply or a note."""
        person, access = person_of(request).id, self.site.access
        place = await self.site.db.read(read_workspace, access, person, _id(request))
        received = await receive_files(request, self.site.uploads, person, place)
        form = received.fields
        kind: post_message.Kind = "note" if form.get("kind") == "note" else "reply"
        sent = [*form.getlist("file"), *(each.id for each in received.files)]
        written = Written(form.get("id") or new_id(), form.get("text", ""), kind, sent)
        async with sent_or_forgotten(self.site.uploads, person, received):
            row = await act_as(self.site, request, post_message.say, _id(request), written)
        return done(request, f"/requests/{_id(request)}", id=row.id, html=row.html)

    async def message(self, request: Request) -> Response:
        """GET …/messages/{message}: a form to change or delete one's own, or, for moderators, to
        delete any."""
        found = await self.site.db.read(
            read_message, self.site.access, person_of(request).id, _id(request), _message(request)
        )
        viewer, ticket, row, may_do, sent = found
        context = {"viewer": viewer, "ticket": ticket, "message": row, "may": may_do, "files": sent}
        return self.render(request, "request_message.html", context)

    async def edit(self, request: Request) -> Response:
        """POST …/messages/{message} (text)."""
        form = await read_form(request)
        row = await act_as(
            self.site, request, post_message.edit, _id(request), _message(request), form.get("text")
        )
        return done(request, f"/requests/{_id(request)}", id=row.id, html=row.html)

    async def erase(self, request: Request) -> Response:
        """POST …/messages/{message}/delete."""
        await act_as(self.site, request, post_message.erase, _id(request), _message(request))
        return done(request, f"/requests/{_id(request)}")

    async def remove_file(self, request: Request) -> Response:
        """POST …/files/{file}/delete."""
        file = str(request.path_params["file"])
        await act_as(self.site, request, post_message.remove_file, _id(request), file)
        await self.site.uploads.drop(file)
        return done(request, f"/requests/{_id(request)}?view=files")

    async def read(self, request: Request) -> Response:
        """POST …/read: the viewer has seen what is there now."""
        await act_as(self.site, request, post_message.mark_all_read, _id(request))
        return done(request, f"/requests/{_id(request)}")

    async def change(self, request: Request) -> Response:
        """POST … (status, assignee, category, priority, subject, label, unlabel, watch): what is
        in the form is changed, the rest stays."""
        form = await read_form(request)
        days = self.site.reopen_days
        await act_as(self.site, request, change_from, _id(request), form, days)
        return done(request, f"/requests/{_id(request)}")

    async def delete(self, request: Request) -> Response:
        """POST …/delete: for moderators of the team."""
        await act_as(self.site, request, update.remove, _id(request))
        return done(request, "/admin")

    async def preview(self, request: Request) -> Response:
        """POST /preview (text): Markdown as it will be shown."""
        form = await read_form(request)
        text = parse_text(form.get("text"))
        # A wide table takes a second, and meanwhile no stream would be written to.
        html = await anyio.to_thread.run_sync(render_markdown, text)
        return Response(html, media_type="text/html")


def _id(request: Request) -> str:
    return str(request.path_params["request"])


def _message(request: Request) -> str:
    return str(request.path_params["message"])


def read_workspace(tx: Connection, access: Access, person: PersonId, ticket_id: str) -> Workspace:
    """The workspace of a request the viewer may see."""
    row = read_visible_id(tx, access.read_viewer(tx, person), ticket_id)
    return str(row.workspace)


def change_from(tx: Connection, deed: Deed, ticket_id: str, form: Form, reopen_days: int) -> None:
    """Everything a form of the rail can say; Invalid where it says nothing."""
    fields = form.fields
    known = {"status", "assignee", "category", "priority", "subject", "label", "unlabel", "watch"}
    if not known & fields.keys():
        raise Invalid(gettext("Nothing was to be changed. Choose a value and try again."))
    if "subject" in fields:
        update.retitle(tx, deed, ticket_id, fields["subject"])
    if "category" in fields:
        update.categorise(tx, deed, ticket_id, fields["category"] or None)
    if "priority" in fields:
        update.prioritise(tx, deed, ticket_id, fields["priority"] or None)
    if fields.keys() & {"label", "unlabel"}:
        add, remove = form.lists.get("label", []), form.lists.get("unlabel", [])
        update.label(tx, deed, ticket_id, add=[each for each in add if each], remove=remove)
    if "assignee" in fields:
        update.assign(tx, deed, ticket_id, fields["assignee"] or None)
    if "status" in fields:
        update.move(tx, deed, ticket_id, _status(fields["status"]), reopen_days)
    if "watch" in fields:
        follow = update.watch if fields["watch"] == "yes" else update.unwatch
        follow(tx, deed, ticket_id, fields.get("person") or deed.person)


def _status(word: str) -> Status:
    found = next((status for status in STATUSES if status == word), None)
    if found is None:
        raise Invalid(
            gettext("There is no status %(word)s.", word=repr(word[:40])),
            {"status": gettext("Choose one of the list")},
        )
    return found


def read_message(
    tx: Connection, access: Access, person: PersonId, ticket_id: str, message_id: str
) -> tuple[Viewer, Ticket, Row[Any], set[str], list[Attached]]:
    """A message the viewer may change or delete, which of both, and its files. NotFound
    for any other."""
    viewer = access.read_viewer(tx, person)
    row = read_row(tx, viewer, ticket_id)
    message, may_do = post_message.read_changeable(tx, Deed(viewer, now()), row, message_id)
    [ticket] = named([row], read_names(tx, [row.opener]), read_places(tx, [row]))
    return viewer, ticket, message, may_do, attachments.read_of_message(tx, message.id)


def read_shown(
    tx: Connection, access: Access, person: PersonId, ticket_id: str, reopen_days: int
) -> Shown:
    """The request with its conversation, in six statements; NotFound where it is not the
    viewer's to see."""
    viewer = access.read_viewer(tx, person)
    row = read_visible_id(tx, viewer, ticket_id, also=[read_at(viewer)])
    notes = is_staff(viewer)
    entries = messages.read_rows(tx, row.id, notes=notes)
    sent = attachments.read_of_ticket(tx, row.id, notes=notes)
    place, categories = read_described(tx, row.workspace.removeprefix("org:"))
    shown = [row.opener, row.assignee, *(entry.author for entry in entries)]
    circle = read_circle(tx, row.workspace, shown, row.id)
    names = circle.names_of(tx, shown)
    known = Places(
        {place.id: place} if place is not None else {}, {each.id: each.name for each in categories}
    )
    ticket = named([row], names, known)[0]
    return Shown(
        viewer,
        ticket,
        place,
        messages.lines_of(entries, names, sent),
        [each for some in sent.values() for each in some],
        _taking_part(circle, ticket),
        circle,
        categories if notes else [],
        " ".join(held_by(ticket, {place.id: place.generation} if place is not None else {})),
        (row.spoken_at or 0) > (row.read_at or 0),
        _rights(viewer, row, reopen_days),
    )


def _taking_part(circle: Circle, ticket: Ticket) -> list[tuple[Who, str]]:
    """Whoever takes part, each with their role; so does who works on it."""
    found = sorted(circle.taking_part, key=lambda part: part[1])
    assignee = ticket.now.assignee
    if assignee is None or any(who.id == assignee.id for who, _role in found):
        return found
    return [(assignee, "assignee"), *found]


def _rights(viewer: Viewer, row: Row[Any], reopen_days: int) -> dict[str, bool]:
    deed, place = Deed(viewer, now()), row.workspace
    is_theirs = row.opener == viewer.person or may(viewer, Right.CANCEL_ANY, place)
    return {
        "work": may(viewer, Right.WORK, place),
        "note": may(viewer, Right.NOTE),
        "delete": may(viewer, Right.MODERATE, place),
        "cancel": row.status not in ENDED and why_not_move(deed, row, "canceled") is None,
        "reopen": row.status in ENDED and why_not_move(deed, row, "active", reopen_days) is None,
        "retitle": is_theirs,
        "reply": True,
    }
