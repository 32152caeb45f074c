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
from deskwire.events.types.registry import FileShape, Line, PrincipalRef
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message, update
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.actions.update import transition_refusal
from deskwire.tickets.files import attachments
from deskwire.tickets.markdown import render_markdown as render_markdown
from deskwire.tickets.participants import RequestPeople, read_request_people
from deskwire.tickets.queries.list_requests import read_request_row
from deskwire.tickets.statuses import ENDED_STATUSES, STATUSES, Status
from deskwire.tickets.ticket import Ticket, build_tickets, list_ticket_channels
from deskwire.tickets.timeline_text import PRIORITY_LABELS
from deskwire.tickets.validation import parse_text
from deskwire.tickets.visibility import last_read_at, read_visible_ticket_row_by_id
from deskwire.tickets.workspace_names import WorkspaceNames, read_workspace_names
from deskwire.web.context import act_as
from deskwire.web.dependencies import Dependencies, require_person
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.http.uploads import discard_uploads_on_error, receive_files
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render, requested_fragments
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import Category, read_with_categories
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff

View = Literal["conversation", "files", "history"]  # parts of the page; one is shown at a time
VIEWS: tuple[View, ...] = get_args(View)
PROGRESS_STATUSES: tuple[Status, ...] = ("new", "active", "review", "done")  # of an ordinary life


@dataclass(frozen=True, slots=True)
class RequestView:
    """All that a request's page shows, and what its viewer may do."""

    viewer: Viewer
    ticket: Ticket
    organization: Organization | None
    lines: list[Line]
    files: list[FileShape]
    participants: list[tuple[PrincipalRef, str]]
    people: RequestPeople
    categories: list[Category]
    channels: str
    is_unread: bool
    allowed: Mapping[str, bool]


@dataclass(frozen=True, slots=True)
class RequestDetailPages:
    """`/requests/{id}` and what is posted below it."""

    deps: Dependencies
    render: Render

    async def show(self, request: Request) -> Response:
        """GET …?view=: whoever looks at the conversation has read it."""
        person, id_ = require_person(request), str(request.path_params["request"])
        days = self.deps.reopen_days
        shown = await self.deps.db.read(read_request_view, self.deps.access, person.id, id_, days)
        view = next((view for view in VIEWS if view == request.query_params.get("view")), VIEWS[0])
        wanted = requested_fragments(request)
        is_read = view == "conversation" and (wanted is None or "timeline" in wanted)
        if shown.is_unread and is_read:
            await act_as(self.deps, request, post_message.mark_all_read, id_)
        context = {
            "viewer": shown.viewer,
            "detail": shown,
            "ticket": shown.ticket,
            "view": view,
            "viewer_id": person.id,
            "is_staff": is_staff(shown.viewer),
            "steps": PROGRESS_STATUSES,
            "priority_labels": translate_labels(PRIORITY_LABELS),
        }
        return self.render(request, "request.html", context)

    async def post_message(self, request: Request) -> Response:
        """POST …/messages (id, text, kind, file…): write a reply or a note."""
        person, access = require_person(request).id, self.deps.access
        place = await self.deps.db.read(
            read_request_workspace, access, person, _request_id(request)
        )
        received = await receive_files(request, self.deps.uploads, person, place)
        form = received.fields
        kind: post_message.MessageKind = "note" if form.get("kind") == "note" else "reply"
        sent = [*form.getlist("file"), *(each.id for each in received.files)]
        written = MessageInput(form.get("id") or new_id(), form.get("text", ""), kind, sent)
        async with discard_uploads_on_error(self.deps.uploads, person, received):
            row = await act_as(
                self.deps, request, post_message.post_message, _request_id(request), written
            )
        return respond_done(request, f"/requests/{_request_id(request)}", id=row.id, html=row.html)

    async def message_form(self, request: Request) -> Response:
        """GET …/messages/{message}: a form to change or delete one's own, or, for moderators, to
        delete any."""
        found = await self.deps.db.read(
            read_message,
            self.deps.access,
            require_person(request).id,
            _request_id(request),
            _message_id(request),
        )
        viewer, ticket, row, may_do, sent = found
        context = {
            "viewer": viewer,
            "ticket": ticket,
            "message": row,
            "allowed": may_do,
            "files": sent,
        }
        return self.render(request, "request_message.html", context)

    async def edit_message(self, request: Request) -> Response:
        """POST …/messages/{message} (text)."""
        form = await read_form(request)
        row = await act_as(
            self.deps,
            request,
            post_message.edit_message,
            _request_id(request),
            _message_id(request),
            form.get("text"),
        )
        return respond_done(request, f"/requests/{_request_id(request)}", id=row.id, html=row.html)

    async def delete_message(self, request: Request) -> Response:
        """POST …/messages/{message}/delete."""
        await act_as(
            self.deps,
            request,
            post_message.delete_message,
            _request_id(request),
            _message_id(request),
        )
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def remove_file(self, request: Request) -> Response:
        """POST …/files/{file}/delete."""
        file = str(request.path_params["file"])
        await act_as(self.deps, request, post_message.delete_file, _request_id(request), file)
        await self.deps.uploads.delete_bytes(file)
        return respond_done(request, f"/requests/{_request_id(request)}?view=files")

    async def mark_read(self, request: Request) -> Response:
        """POST …/read: the viewer has seen what is there now."""
        await act_as(self.deps, request, post_message.mark_all_read, _request_id(request))
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def apply_change(self, request: Request) -> Response:
        """POST … (status, assignee, category, priority, subject, label, unlabel, watch): what is
        in the form is changed, the rest stays."""
        form = await read_form(request)
        days = self.deps.reopen_days
        await act_as(self.deps, request, apply_form, _request_id(request), form, days)
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def delete(self, request: Request) -> Response:
        """POST …/delete: for moderators of the team."""
        await act_as(self.deps, request, update.delete_request, _request_id(request))
        return respond_done(request, "/admin")

    async def preview_markdown(self, request: Request) -> Response:
        """POST /preview (text): Markdown as it will be shown."""
        form = await read_form(request)
        text = parse_text(form.get("text"))
        # A wide table takes a second, and meanwhile no stream would be written to.
        html = await anyio.to_thread.run_sync(render_markdown, text)
        return Response(html, media_type="text/html")


def _request_id(request: Request) -> str:
    return str(request.path_params["request"])


def _message_id(request: Request) -> str:
    return str(request.path_params["message"])


def read_request_workspace(
    tx: Connection, access: Access, person: PersonId, ticket_id: str
) -> Workspace:
    """The workspace of a request the viewer may see."""
    row = read_visible_ticket_row_by_id(tx, access.read_viewer(tx, person), ticket_id)
    return str(row.workspace)


def apply_form(tx: Connection, actor: Actor, ticket_id: str, form: Form, reopen_days: int) -> None:
    """Everything a form of the rail can say; Invalid where it says nothing."""
    fields = form.fields
    known = {"status", "assignee", "category", "priority", "subject", "label", "unlabel", "watch"}
    if not known & fields.keys():
        raise Invalid(gettext("Nothing was to be changed. Choose a value and try again."))
    if "subject" in fields:
        update.set_subject(tx, actor, ticket_id, fields["subject"])
    if "category" in fields:
        update.set_category(tx, actor, ticket_id, fields["category"] or None)
    if "priority" in fields:
        update.set_priority(tx, actor, ticket_id, fields["priority"] or None)
    if fields.keys() & {"label", "unlabel"}:
        add, remove = form.lists.get("label", []), form.lists.get("unlabel", [])
        update.update_labels(
            tx, actor, ticket_id, add=[each for each in add if each], remove=remove
        )
    if "assignee" in fields:
        update.assign(tx, actor, ticket_id, fields["assignee"] or None)
    if "status" in fields:
        update.set_status(tx, actor, ticket_id, _parse_status(fields["status"]), reopen_days)
    if "watch" in fields:
        follow = update.add_watcher if fields["watch"] == "yes" else update.remove_watcher
        follow(tx, actor, ticket_id, fields.get("person") or actor.person_id)


def _parse_status(word: str) -> Status:
    found = next((status for status in STATUSES if status == word), None)
    if found is None:
        raise Invalid(
            gettext("There is no status %(word)s.", word=repr(word[:40])),
            {"status": gettext("Choose one of the list")},
        )
    return found


def read_message(
    tx: Connection, access: Access, person: PersonId, ticket_id: str, message_id: str
) -> tuple[Viewer, Ticket, Row[Any], set[str], list[FileShape]]:
    """A message the viewer may change or delete, which of both, and its files. NotFound
    for any other."""
    viewer = access.read_viewer(tx, person)
    row = read_request_row(tx, viewer, ticket_id)
    message, may_do = post_message.read_editable_message(tx, Actor(viewer, now()), row, message_id)
    [ticket] = build_tickets([row], read_names(tx, [row.opener]), read_workspace_names(tx, [row]))
    return viewer, ticket, message, may_do, attachments.list_message_files(tx, message.id)


def read_request_view(
    tx: Connection, access: Access, person: PersonId, ticket_id: str, reopen_days: int
) -> RequestView:
    """The request with its conversation, in six statements; NotFound where it is not the
    viewer's to see."""
    viewer = access.read_viewer(tx, person)
    row = read_visible_ticket_row_by_id(tx, viewer, ticket_id, extra_columns=[last_read_at(viewer)])
    notes = is_staff(viewer)
    entries = messages.read_timeline_rows(tx, row.id, include_notes=notes)
    sent = attachments.list_ticket_files(tx, row.id, include_notes=notes)
    place, categories = read_with_categories(tx, row.workspace.removeprefix("org:"))
    shown = [row.opener, row.assignee, *(entry.author for entry in entries)]
    circle = read_request_people(tx, row.workspace, shown, row.id)
    names = circle.resolve_names(tx, shown)
    known = WorkspaceNames(
        {place.id: place} if place is not None else {}, {each.id: each.name for each in categories}
    )
    ticket = build_tickets([row], names, known)[0]
    return RequestView(
        viewer,
        ticket,
        place,
        messages.build_lines(entries, names, sent),
        [each for some in sent.values() for each in some],
        _list_participants(circle, ticket),
        circle,
        categories if notes else [],
        " ".join(
            list_ticket_channels(ticket, {place.id: place.generation} if place is not None else {})
        ),
        (row.spoken_at or 0) > (row.read_at or 0),
        _allowed_actions(viewer, row, reopen_days),
    )


def _list_participants(people: RequestPeople, ticket: Ticket) -> list[tuple[PrincipalRef, str]]:
    """Whoever takes part, each with their role; so does who works on it."""
    found = sorted(people.participants, key=lambda part: part[1])
    assignee = ticket.now.assignee
    if assignee is None or any(who.id == assignee.id for who, _role in found):
        return found
    return [(assignee, "assignee"), *found]


def _allowed_actions(viewer: Viewer, row: Row[Any], reopen_days: int) -> dict[str, bool]:
    deed, place = Actor(viewer, now()), row.workspace
    is_theirs = row.opener == viewer.person or can(viewer, Permission.CANCEL_ANY, place)
    return {
        "work": can(viewer, Permission.WORK, place),
        "note": can(viewer, Permission.NOTE),
        "delete": can(viewer, Permission.MODERATE, place),
        "cancel": row.status not in ENDED_STATUSES
        and transition_refusal(deed, row, "canceled") is None,
        "reopen": row.status in ENDED_STATUSES
        and transition_refusal(deed, row, "active", reopen_days) is None,
        "retitle": is_theirs,
        "reply": True,
    }
