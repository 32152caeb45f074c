"""Messages and files of a request over the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import FileShape, PrincipalRef
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.ids import new_id
from deskwire.kit.pagination import PageKey, format_page_key, parse_page_key
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.files import attachments
from deskwire.tickets.messages import MessageRow
from deskwire.tickets.queries.list_requests import read_request_row
from deskwire.web.api.operations import Call
from deskwire.web.api.request_shapes import (
    FileList,
    FileNow,
    MessageNow,
    MessagePage,
    NewMessage,
    NewText,
    SendQuery,
)
from deskwire.web.api.requests import add_next_link
from deskwire.web.api.shapes import PageQuery
from deskwire.web.http.uploads import receive_file
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal


async def list_messages(call: Call, query: PageQuery) -> MessagePage:
    """List the messages of a request.

    The oldest first. Notes are shown to the team alone.
    """
    after = parse_page_key(query.after)
    if query.after and after is None:
        raise Invalid("Take `after` from `next` of the page before.", {"?after": "No such place."})
    items, more = await call.read(_read_message_page, call.path_id("request"), after)
    add_next_link(call, more)
    return MessagePage(items=items, next=more, cursor=call.cursor)


async def write(call: Call, body: NewMessage) -> MessageNow:
    """Write a message.

    A reply, which everybody reads who sees the request, or a note for the team.
    """
    written = MessageInput(body.id or new_id(), body.text, body.kind, body.files)
    return await call.write(_post_message, call.path_id("request"), written)


async def edit(call: Call, body: NewText) -> MessageNow:
    """Change your own message."""
    return await call.write(
        _edit_message, call.path_id("request"), call.path_id("message"), body.text
    )


async def erase(call: Call) -> None:
    """Delete a message with its files.

    Your own, or any as a moderator of the team.
    """
    await call.write(post_message.delete_message, call.path_id("request"), call.path_id("message"))


async def list_files(call: Call) -> FileList:
    """List the files of a request.

    Those of notes are shown to the team alone. `href` is where one is downloaded.
    """
    items = await call.read(_list_files, call.path_id("request"))
    return FileList(items=items, cursor=call.cursor)


async def send_file(call: Call, query: SendQuery) -> FileNow:
    """Send a file, as a message of its own.

    A form with one file, or its bytes with `x-file-name`. To send several, or with a text, upload
    them to `/files?workspace=` first, and name their ids in the message.
    """
    id_, uploads = call.path_id("request"), call.deps.uploads
    place = await call.read(_read_request_workspace, id_)
    kept = await receive_file(call.request, uploads, call.person_id, place)
    try:
        written = MessageInput(query.message or new_id(), "", query.kind, [kept.id])
        sent = await call.write(_post_file, id_, written)
    except BaseException:
        await uploads.discard_unsent(call.person_id, kept.id)
        raise
    if sent.id != kept.id:  # it was here already
        await uploads.discard_unsent(call.person_id, kept.id)
    call.headers["location"] = sent.href
    return sent


async def remove_file(call: Call) -> None:
    """Delete a file.

    Your own, or any as a moderator of the team. A message that was nothing but this file goes with
    it.
    """
    file = call.path_id("file")
    await call.write(post_message.delete_file, call.path_id("request"), file)
    await call.deps.uploads.delete_bytes(file)


def _read_message_page(
    tx: Connection, viewer: Viewer, id_: str, after: PageKey | None
) -> tuple[list[MessageNow], str | None]:
    read_request_row(tx, viewer, id_)
    notes = is_staff(viewer)
    rows = messages.read_timeline_page(tx, id_, after, include_notes=notes)
    shown = rows[: messages.PAGE_SIZE]
    more = format_page_key(shown[-1].at, shown[-1].id) if len(rows) > messages.PAGE_SIZE else None
    names = read_names(tx, [row.author for row in shown])
    sent = attachments.list_ticket_files(tx, id_, include_notes=notes)
    return [_to_message_now(row, names, sent.get(row.id, [])) for row in shown], more


def _post_message(tx: Connection, actor: Actor, id_: str, written: MessageInput) -> MessageNow:
    return _read_message_now(tx, post_message.post_message(tx, actor, id_, written))


def _edit_message(tx: Connection, actor: Actor, id_: str, message: str, text: str) -> MessageNow:
    return _read_message_now(tx, post_message.edit_message(tx, actor, id_, message, text))


def _post_file(tx: Connection, actor: Actor, id_: str, written: MessageInput) -> FileNow:
    row = post_message.post_message(tx, actor, id_, written)
    sent = attachments.list_message_files(tx, row.id)
    if not sent:
        raise Conflict("The message with this id has no file. Send it again with a new id.")
    return FileNow(**dict(sent[0]), message=row.id)


def _read_message_now(tx: Connection, row: MessageRow) -> MessageNow:
    return _to_message_now(
        row, read_names(tx, [row.author]), attachments.list_message_files(tx, row.id)
    )


def _to_message_now(
    row: MessageRow, names: Mapping[Principal, PrincipalRef], files: Sequence[FileShape]
) -> MessageNow:
    return MessageNow(
        id=row.id,
        kind=row.kind,
        side=row.side,
        origin=row.origin,
        author=names.get(row.author),
        text=row.text,
        html=row.html,
        files=[*files],
        at=row.at,
        edited_at=row.edited_at,
        revision=row.revision,
    )


def _read_request_workspace(tx: Connection, viewer: Viewer, id_: str) -> Workspace:
    return str(read_request_row(tx, viewer, id_).workspace)


def _list_files(tx: Connection, viewer: Viewer, id_: str) -> list[FileNow]:
    read_request_row(tx, viewer, id_)
    found = attachments.list_ticket_files(tx, id_, include_notes=is_staff(viewer))
    return [
        FileNow(**dict(each), message=message) for message, some in found.items() for each in some
    ]
