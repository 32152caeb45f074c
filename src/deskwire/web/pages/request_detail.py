"""Show a request, and handle everything posted to it: messages, files, and changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import FileShape, Line, PrincipalRef
from deskwire.kit.clock import now
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.kit.threads import DaemonThreadPool
from deskwire.tickets import messages
from deskwire.tickets.actions import mark_read, post_message, update
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.field_changes import transition_refusal
from deskwire.tickets.files import attachments
from deskwire.tickets.messages import MessageRow
from deskwire.tickets.participants import RequestPeople, read_request_people
from deskwire.tickets.prepared_text import parse_input
from deskwire.tickets.queries.list_requests import read_request_row
from deskwire.tickets.request_fields import FIELDS, RequestField, parse_form_fields
from deskwire.tickets.statuses import ENDED_STATUSES, Status
from deskwire.tickets.tables import TicketRow
from deskwire.tickets.ticket import Ticket, build_tickets, list_ticket_channels
from deskwire.tickets.visibility import (
    read_visible_ticket_row_by_id,
    read_visible_ticket_row_with_read_time,
)
from deskwire.tickets.workspace_names import WorkspaceNames, read_workspace_names
from deskwire.web.context import act_as, read_as, require_person
from deskwire.web.dependencies import Dependencies
from deskwire.web.http.forms import Form, read_form, respond_done
from deskwire.web.http.fragments import requested_fragments
from deskwire.web.http.uploads import discard_uploads_on_error, receive_files
from deskwire.web.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import Category, read_with_categories
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff

View = Literal["conversation", "files", "history"]  # tabs of the page
VIEWS: tuple[View, ...] = get_args(View)
PREVIEW_THREADS = DaemonThreadPool("preview", 2)  # more would only compete for the GIL
PROGRESS_STATUSES: tuple[Status, ...] = ("new", "active", "review", "done")  # the usual course


@dataclass(frozen=True, slots=True)
class RequestView:
    """Everything that a request's page shows, and what its viewer may do."""

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
        """GET …?view=: one tab of the request; showing the conversation marks it as read."""
        id_, days = _request_id(request), self.deps.reopen_days
        viewer, detail = await read_as(self.deps, request, read_request_view, id_, days)
        view = next((view for view in VIEWS if view == request.query_params.get("view")), VIEWS[0])
        fragment_ids = requested_fragments(request)
        shows_timeline = fragment_ids is None or "timeline" in fragment_ids
        if detail.is_unread and view == "conversation" and shows_timeline:
            await act_as(self.deps, request, mark_read.mark_all_read, id_)
        context = {
            "viewer": viewer,
            "detail": detail,
            "ticket": detail.ticket,
            "view": view,
            "viewer_id": viewer.subject,
            "is_staff": is_staff(viewer),
            "steps": PROGRESS_STATUSES,
            "choice_fields": list_choice_fields(FIELDS),
        }
        return self.render(request, "request.html", context)

    async def post_message(self, request: Request) -> Response:
        """POST …/messages (id, text, kind, file…): write a reply or a note."""
        id_ = _request_id(request)
        viewer, workspace = await read_as(self.deps, request, read_request_workspace, id_)
        received = await receive_files(request, self.deps.uploads, viewer.subject, workspace)
        form = received.fields
        kind: post_message.MessageKind = "note" if form.get("kind") == "note" else "reply"
        file_ids = [*form.getlist("file"), *(each.id for each in received.files)]
        async with discard_uploads_on_error(self.deps.uploads, viewer.subject, received):
            text = await self.deps.texts.prepare(viewer.subject, form.get("text", ""))
            message = MessageInput(form.get("id") or new_id(), text, kind, file_ids)
            row = await act_as(self.deps, request, post_message.post_message, id_, message)
        return respond_done(request, f"/requests/{id_}", id=row.id, html=row.html)

    async def message_form(self, request: Request) -> Response:
        """GET …/messages/{message}: a form to change or delete one's own message.

        Moderators may delete any message.
        """
        viewer, (ticket, message, allowed, files) = await read_as(
            self.deps, request, read_message, _request_id(request), _message_id(request)
        )
        context = {
            "viewer": viewer,
            "ticket": ticket,
            "message": message,
            "allowed": allowed,
            "files": files,
        }
        return self.render(request, "request_message.html", context)

    async def edit_message(self, request: Request) -> Response:
        """POST …/messages/{message} (text): change one's own message."""
        form = await read_form(request)
        text = await self.deps.texts.prepare(require_person(request).id, form.get("text"))
        row = await act_as(
            self.deps,
            request,
            post_message.edit_message,
            _request_id(request),
            _message_id(request),
            text,
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
        file_id = str(request.path_params["file"])
        await act_as(self.deps, request, post_message.delete_file, _request_id(request), file_id)
        await self.deps.uploads.delete_bytes(file_id)
        return respond_done(request, f"/requests/{_request_id(request)}?view=files")

    async def mark_read(self, request: Request) -> Response:
        """POST …/read: mark everything up to now as read by the viewer."""
        await act_as(self.deps, request, mark_read.mark_all_read, _request_id(request))
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def apply_change(self, request: Request) -> Response:
        """POST …: change the fields that the form names (request_fields.py), or `watch`.

        Fields that are missing from the form stay as they are.
        """
        form = await read_form(request)
        days = self.deps.reopen_days
        await act_as(self.deps, request, apply_form, _request_id(request), form, days)
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def delete(self, request: Request) -> Response:
        """POST …/delete; for moderators."""
        await act_as(self.deps, request, update.delete_request, _request_id(request))
        return respond_done(request, "/admin")

    async def preview_markdown(self, request: Request) -> Response:
        """POST /preview (text): render Markdown to HTML."""
        form = await read_form(request)
        prepared = await self.deps.texts.prepare(require_person(request).id, form.get("text"))
        return Response(parse_input(prepared).render(), media_type="text/html")


def _request_id(request: Request) -> str:
    return str(request.path_params["request"])


def _message_id(request: Request) -> str:
    return str(request.path_params["message"])


def read_request_workspace(tx: Connection, viewer: Viewer, ticket_id: str) -> Workspace:
    """Return the workspace of a request. Raises NotFound unless the viewer may see it."""
    return str(read_visible_ticket_row_by_id(tx, viewer, ticket_id).workspace)


def list_choice_fields(
    fields: Mapping[str, RequestField],
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the fields with a list of values: name, label, and the options in order."""
    return [
        (name, gettext(field.label), list(translate_labels(field.choices).items()))
        for name, field in fields.items()
        if field.choices is not None
    ]


def apply_form(tx: Connection, actor: Actor, ticket_id: str, form: Form, reopen_days: int) -> None:
    """Apply a form of the page. Raises Invalid if it names no field of a request."""
    patch = parse_form_fields(form.lists)
    if not patch and "watch" not in form.fields:
        raise Invalid(gettext("Nothing to change. Choose a value and try again."))
    if patch:
        update.update(tx, actor, ticket_id, patch, reopen_days)
    if "watch" in form.fields:
        set_watching = update.add_watcher if form.get("watch") == "yes" else update.remove_watcher
        set_watching(tx, actor, ticket_id, form.get("person") or actor.subject)


def read_message(
    tx: Connection, viewer: Viewer, ticket_id: str, message_id: str
) -> tuple[Ticket, MessageRow, set[str], list[FileShape]]:
    """Return a message with its ticket, what the viewer may do to it, and its files.

    Raises NotFound unless the viewer may change or delete the message.
    """
    row = read_request_row(tx, viewer, ticket_id)
    message, allowed = post_message.read_editable_message(tx, Actor(viewer, now()), row, message_id)
    [ticket] = build_tickets([row], read_names(tx, [row.opener]), read_workspace_names(tx, [row]))
    return ticket, message, allowed, attachments.list_message_files(tx, message.id)


def read_request_view(
    tx: Connection, viewer: Viewer, ticket_id: str, reopen_days: int
) -> RequestView:
    """Read a request with its conversation in six statements. Raises NotFound if not visible."""
    row = read_visible_ticket_row_with_read_time(tx, viewer, ticket_id)
    include_notes = is_staff(viewer)
    entries = messages.read_timeline_rows(tx, row.id, include_notes=include_notes)
    files = attachments.list_ticket_files(tx, row.id, include_notes=include_notes)
    organization, categories = read_with_categories(tx, row.workspace.removeprefix("org:"))
    principals = [row.opener, row.assignee, *(entry.author for entry in entries)]
    people = read_request_people(tx, row.workspace, principals, row.id)
    names = people.resolve_names(tx, principals)
    organizations = {} if organization is None else {organization.id: organization}
    workspace_names = WorkspaceNames(organizations, {each.id: each.name for each in categories})
    [ticket] = build_tickets([row], names, workspace_names)
    generations = {id_: each.generation for id_, each in organizations.items()}
    return RequestView(
        ticket,
        organization,
        messages.build_lines(entries, names, files),
        [file for message_files in files.values() for file in message_files],
        _list_participants(people, ticket),
        people,
        categories if include_notes else [],
        " ".join(list_ticket_channels(ticket, generations)),
        (row.spoken_at or 0) > (row.read_at or 0),
        _allowed_actions(viewer, row, reopen_days),
    )


def _list_participants(people: RequestPeople, ticket: Ticket) -> list[tuple[PrincipalRef, str]]:
    """Return the participants with their roles; the assignee first, unless they are one already."""
    participants = sorted(people.participants, key=lambda each: each[1])
    assignee = ticket.now.assignee
    if assignee is None or any(person.id == assignee.id for person, _role in participants):
        return participants
    return [(assignee, "assignee"), *participants]


def _allowed_actions(viewer: Viewer, row: TicketRow, reopen_days: int) -> dict[str, bool]:
    actor, workspace = Actor(viewer, now()), row.workspace
    is_ended = row.status in ENDED_STATUSES
    return {
        "work": can(viewer, Permission.WORK, workspace),
        "note": can(viewer, Permission.NOTE),
        "delete": can(viewer, Permission.MODERATE, workspace),
        "cancel": not is_ended and transition_refusal(actor, row, "canceled") is None,
        "reopen": is_ended and transition_refusal(actor, row, "active", reopen_days) is None,
        "retitle": row.opener == viewer.subject or can(viewer, Permission.CANCEL_ANY, workspace),
        "reply": True,
    }
