"""Serve the messages and files of a request over the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import FileShape, PrincipalRef
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.ids import new_id
from deskwire.kit.pagination import PageKey, format_page_key, parse_page_key
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message as message_actions
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.files import attachments
from deskwire.tickets.messages import MessageRow
from deskwire.tickets.prepared_text import PreparedText
from deskwire.tickets.queries.list_requests import read_request_row
from deskwire.web.api.idempotency import add_to_body
from deskwire.web.api.operations import Call, add_next_link, invalid_after_error
from deskwire.web.api.request_shapes import (
    FileList,
    FileNow,
    MessageNow,
    MessagePage,
    NewMessage,
    NewText,
    SendQuery,
)
from deskwire.web.api.shapes import PageQuery
from deskwire.web.http.uploads import receive_file
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal


async def list_messages(call: Call, query: PageQuery) -> MessagePage:
    """List the messages of a request.

    Oldest first. Only staff see notes.
    """
    after = parse_page_key(query.after)
    if query.after and after is None:
        raise invalid_after_error()
    items, next_key = await call.read(_read_message_page, call.path_id("request"), after)
    add_next_link(call, next_key)
    return MessagePage(items=items, next=next_key, cursor=call.cursor)


async def post_message(call: Call, body: NewMessage) -> MessageNow:
    """Post a message.

    A reply is visible to everyone who can see the request, a note only to staff.
    """
    id_, text = call.path_id("request"), await call.prepare_text(body.text)
    message = MessageInput(body.id or new_id(), text, body.kind, body.files)
    return await call.read(_read_message, id_, await call.make(_post_message, id_, message))


async def edit_message(call: Call, body: NewText) -> MessageNow:
    """Edit your own message."""
    id_, message_id = call.path_id("request"), call.path_id("message")
    text = await call.prepare_text(body.text)
    return await call.read(
        _read_message, id_, await call.make(_edit_message, id_, message_id, text)
    )


async def delete_message(call: Call) -> None:
    """Delete a message and its files.

    You may delete your own messages; moderators may delete any.
    """
    await call.write(
        message_actions.delete_message, call.path_id("request"), call.path_id("message")
    )


async def list_files(call: Call) -> FileList:
    """List the files of a request.

    Only staff see the files of notes. Download a file from its `href`.
    """
    items = await call.read(_list_files, call.path_id("request"))
    return FileList(items=items, cursor=call.cursor)


async def post_file(call: Call, query: SendQuery) -> FileNow:
    """Post a file as a message of its own.

    Send a form with one file, or the bytes of the file with the header `x-file-name`. To post
    several files, or a file with a text, upload them to `/files?workspace=` first, and put their
    ids into a message.
    """
    id_, uploads = call.path_id("request"), call.deps.uploads
    workspace = await call.read(_read_request_workspace, id_)
    upload = await receive_file(call.request, uploads, call.subject, workspace)
    try:
        if call.keyed is not None:
            digest = await call.read(_read_digest, upload.id)
            call.keyed = add_to_body(call.keyed, upload.name, digest)
        message = MessageInput(query.message or new_id(), "", query.kind, [upload.id])
        file = await call.read(_read_file, id_, await call.make(_post_file, id_, message))
    except BaseException:
        await uploads.discard_unsent(call.subject, upload.id)
        raise
    if file.id != upload.id:  # a repeated request: the message has the first upload
        await uploads.discard_unsent(call.subject, upload.id)
    call.headers["location"] = file.href
    return file


async def delete_file(call: Call) -> None:
    """Delete a file.

    You may delete your own files; moderators may delete any. A message that consists of the file
    alone is deleted too.
    """
    file_id = call.path_id("file")
    await call.write(message_actions.delete_file, call.path_id("request"), file_id)
    await call.deps.uploads.delete_bytes(file_id)


def _read_message_page(
    tx: Connection, viewer: Viewer, id_: str, after: PageKey | None
) -> tuple[list[MessageNow], str | None]:
    read_request_row(tx, viewer, id_)
    return read_ticket_messages(tx, id_, after, include_notes=is_staff(viewer))


def read_ticket_messages(
    tx: Connection, id_: str, after: PageKey | None, *, include_notes: bool
) -> tuple[list[MessageNow], str | None]:
    """Read a page of the messages of a ticket, and the key of the next."""
    rows = messages.read_timeline_page(tx, id_, after, include_notes=include_notes)
    page = rows[: messages.PAGE_SIZE]
    has_more = len(rows) > messages.PAGE_SIZE
    next_key = format_page_key(page[-1].at, page[-1].id) if has_more else None
    names = read_names(tx, [row.author for row in page])
    files = attachments.list_ticket_files(tx, id_, include_notes=include_notes)
    return [_to_message_now(row, names, files.get(row.id, [])) for row in page], next_key


def _post_message(tx: Connection, actor: Actor, id_: str, message: MessageInput) -> str:
    return message_actions.post_message(tx, actor, id_, message).id


def _edit_message(
    tx: Connection, actor: Actor, id_: str, message_id: str, text: str | PreparedText
) -> str:
    return message_actions.edit_message(tx, actor, id_, message_id, text).id


def _post_file(tx: Connection, actor: Actor, id_: str, message: MessageInput) -> str:
    row = message_actions.post_message(tx, actor, id_, message)
    files = attachments.list_message_files(tx, row.id)
    if not files:
        raise Conflict("The message with this id has no file. Send the file with a new id.")
    return files[0].id


def _read_message(tx: Connection, viewer: Viewer, id_: str, message_id: str) -> MessageNow:
    """Read a message of a request. Raises NotFound unless the viewer may see it."""
    read_request_row(tx, viewer, id_)
    row = messages.read_message_row(tx, id_, message_id)
    if row is None or (row.kind == "note" and not is_staff(viewer)):
        raise NotFound("This message doesn’t exist, or you don’t have access to it.")
    return _to_message_now(
        row, read_names(tx, [row.author]), attachments.list_message_files(tx, row.id)
    )


def _read_digest(tx: Connection, viewer: Viewer, file_id: str) -> str:
    return attachments.read_visible_file(tx, viewer, file_id).sha256


def _read_file(tx: Connection, viewer: Viewer, id_: str, file_id: str) -> FileNow:
    """Read a file of a request. Raises NotFound unless the viewer may see it."""
    found = next((each for each in _list_files(tx, viewer, id_) if each.id == file_id), None)
    if found is None:
        raise NotFound("This file doesn’t exist, or you don’t have access to it.")
    return found


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
    files_by_message = attachments.list_ticket_files(tx, id_, include_notes=is_staff(viewer))
    return [
        FileNow(**dict(file), message=message_id)
        for message_id, files in files_by_message.items()
        for file in files
    ]
