"""Serve a request's page, its messages and files, and the forms that change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import anyio.to_thread
from sqlalchemy import Connection
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
from deskwire.tickets.actions import mark_read, post_message, update
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.field_changes import transition_refusal
from deskwire.tickets.files import attachments
from deskwire.tickets.markdown import render_markdown
from deskwire.tickets.messages import MessageRow
from deskwire.tickets.participants import RequestPeople, read_request_people
from deskwire.tickets.queries.list_requests import read_request_row
from deskwire.tickets.request_fields import FIELDS, RequestField, parse_form_fields
from deskwire.tickets.statuses import ENDED_STATUSES, Status
from deskwire.tickets.tables import TicketRow
from deskwire.tickets.ticket import Ticket, build_tickets, list_ticket_channels
from deskwire.tickets.validation import parse_text
from deskwire.tickets.visibility import (
    read_visible_ticket_row_by_id,
    read_visible_ticket_row_with_read_time,
)
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
PROGRESS_STATUSES: tuple[Status, ...] = ("new", "active", "review", "done")  # the usual course


@dataclass(frozen=True, slots=True)
class RequestView:
    """Everything a request's page shows, and what its viewer may do."""

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
    """Endpoints of `/requests/{id}` and below."""

    deps: Dependencies
    render: Render

    async def show(self, request: Request) -> Response:
        """GET …?view=: show the request; a look at the conversation marks it as read."""
        person, id_ = require_person(request), str(request.path_params["request"])
        days = self.deps.reopen_days
        detail = await self.deps.db.read(read_request_view, self.deps.access, person.id, id_, days)
        view = next((view for view in VIEWS if view == request.query_params.get("view")), VIEWS[0])
        fragments = requested_fragments(request)
        is_read = view == "conversation" and (fragments is None or "timeline" in fragments)
        if detail.is_unread and is_read:
            await act_as(self.deps, request, mark_read.mark_all_read, id_)
        context = {
            "viewer": detail.viewer,
            "detail": detail,
            "ticket": detail.ticket,
            "view": view,
            "viewer_id": person.id,
            "is_staff": is_staff(detail.viewer),
            "steps": PROGRESS_STATUSES,
            "choice_fields": list_choice_fields(FIELDS),
        }
        return self.render(request, "request.html", context)

    async def post_message(self, request: Request) -> Response:
        """POST …/messages (id, text, kind, file…): write a reply or a note."""
        person, access = require_person(request).id, self.deps.access
        workspace = await self.deps.db.read(
            read_request_workspace, access, person, _request_id(request)
        )
        received = await receive_files(request, self.deps.uploads, person, workspace)
        form = received.fields
        kind: post_message.MessageKind = "note" if form.get("kind") == "note" else "reply"
        file_ids = [*form.getlist("file"), *(file.id for file in received.files)]
        message = MessageInput(form.get("id") or new_id(), form.get("text", ""), kind, file_ids)
        async with discard_uploads_on_error(self.deps.uploads, person, received):
            row = await act_as(
                self.deps, request, post_message.post_message, _request_id(request), message
            )
        return respond_done(request, f"/requests/{_request_id(request)}", id=row.id, html=row.html)

    async def message_form(self, request: Request) -> Response:
        """GET …/messages/{message}: the form to edit or delete a message."""
        viewer, ticket, message, allowed, files = await self.deps.db.read(
            read_message,
            self.deps.access,
            require_person(request).id,
            _request_id(request),
            _message_id(request),
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
        """POST …/read: mark everything so far as read."""
        await act_as(self.deps, request, mark_read.mark_all_read, _request_id(request))
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def apply_change(self, request: Request) -> Response:
        """POST …: change the fields that the form names (request_fields.py), or `watch`."""
        form = await read_form(request)
        days = self.deps.reopen_days
        await act_as(self.deps, request, apply_form, _request_id(request), form, days)
        return respond_done(request, f"/requests/{_request_id(request)}")

    async def delete(self, request: Request) -> Response:
        """POST …/delete: delete the request; for moderators."""
        await act_as(self.deps, request, update.delete_request, _request_id(request))
        return respond_done(request, "/admin")

    async def preview_markdown(self, request: Request) -> Response:
        """POST /preview (text): render Markdown as the page will show it."""
        form = await read_form(request)
        text = parse_text(form.get("text"))
        # In a thread: a wide table takes a second, which would hold up every stream.
        html = await anyio.to_thread.run_sync(render_markdown, text)
        return Response(html, media_type="text/html")


def _request_id(request: Request) -> str:
    return str(request.path_params["request"])


def _message_id(request: Request) -> str:
    return str(request.path_params["message"])


def list_choice_fields(
    fields: Mapping[str, RequestField],
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return the fields with a list of values: name, label, and the options in order."""
    return [
        (name, gettext(field.label), list(translate_labels(field.choices).items()))
        for name, field in fields.items()
        if field.choices is not None
    ]


def read_request_workspace(
    tx: Connection, access: Access, person: PersonId, ticket_id: str
) -> Workspace:
    """Return the workspace of a request. Raises NotFound if the viewer may not see it."""
    row = read_visible_ticket_row_by_id(tx, access.read_viewer(tx, person), ticket_id)
    return str(row.workspace)


def apply_form(tx: Connection, actor: Actor, ticket_id: str, form: Form, reopen_days: int) -> None:
    """Apply a form of the page. Raises Invalid if it names no field of a request."""
    patch = parse_form_fields(form.lists)
    if not patch and "watch" not in form.fields:
        raise Invalid(gettext("Nothing was to be changed. Choose a value and try again."))
    if patch:
        update.update(tx, actor, ticket_id, patch, reopen_days)
    if "watch" in form.fields:
        set_watching = update.add_watcher if form.get("watch") == "yes" else update.remove_watcher
        set_watching(tx, actor, ticket_id, form.get("person") or actor.person_id)


def read_message(
    tx: Connection, access: Access, person: PersonId, ticket_id: str, message_id: str
) -> tuple[Viewer, Ticket, MessageRow, set[str], list[FileShape]]:
    """Read a message for its form: which of `edit` and `delete` are allowed, and its files.

    Raises NotFound if neither is.
    """
    viewer = access.read_viewer(tx, person)
    row = read_request_row(tx, viewer, ticket_id)
    message, allowed = post_message.read_editable_message(tx, Actor(viewer, now()), row, message_id)
    [ticket] = build_tickets([row], read_names(tx, [row.opener]), read_workspace_names(tx, [row]))
    return viewer, ticket, message, allowed, attachments.list_message_files(tx, message.id)


def read_request_view(
    tx: Connection, access: Access, person: PersonId, ticket_id: str, reopen_days: int
) -> RequestView:
    """Read a request with its conversation, in six statements.

    Raises NotFound if the viewer may not see it.
    """
    viewer = access.read_viewer(tx, person)
    row = read_visible_ticket_row_with_read_time(tx, viewer, ticket_id)
    is_viewer_staff = is_staff(viewer)
    entries = messages.read_timeline_rows(tx, row.id, include_notes=is_viewer_staff)
    files = attachments.list_ticket_files(tx, row.id, include_notes=is_viewer_staff)
    organization, categories = read_with_categories(tx, row.workspace.removeprefix("org:"))
    principals = [row.opener, row.assignee, *(entry.author for entry in entries)]
    people = read_request_people(tx, row.workspace, principals, row.id)
    names = people.resolve_names(tx, principals)
    organizations = {organization.id: organization} if organization is not None else {}
    workspace_names = WorkspaceNames(organizations, {each.id: each.name for each in categories})
    ticket = build_tickets([row], names, workspace_names)[0]
    generations = {each.id: each.generation for each in organizations.values()}
    return RequestView(
        viewer,
        ticket,
        organization,
        messages.build_lines(entries, names, files),
        [file for of_message in files.values() for file in of_message],
        _list_participants(people, ticket),
        people,
        categories if is_viewer_staff else [],
        " ".join(list_ticket_channels(ticket, generations)),
        (row.spoken_at or 0) > (row.read_at or 0),
        _allowed_actions(viewer, row, reopen_days),
    )


def _list_participants(people: RequestPeople, ticket: Ticket) -> list[tuple[PrincipalRef, str]]:
    """Return the participants with their roles, and the assignee, who takes part as well."""
    participants = sorted(people.participants, key=lambda participant: participant[1])
    assignee = ticket.now.assignee
    if assignee is None or any(person.id == assignee.id for person, _role in participants):
        return participants
    return [(assignee, "assignee"), *participants]


def _allowed_actions(viewer: Viewer, row: TicketRow, reopen_days: int) -> dict[str, bool]:
    actor, workspace = Actor(viewer, now()), row.workspace
    is_theirs = row.opener == viewer.person or can(viewer, Permission.CANCEL_ANY, workspace)
    has_ended = row.status in ENDED_STATUSES
    return {
        "work": can(viewer, Permission.WORK, workspace),
        "note": can(viewer, Permission.NOTE),
        "delete": can(viewer, Permission.MODERATE, workspace),
        "cancel": not has_ended and transition_refusal(actor, row, "canceled") is None,
        "reopen": has_ended and transition_refusal(actor, row, "active", reopen_days) is None,
        "retitle": is_theirs,
        "reply": True,
    }
