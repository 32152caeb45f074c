"""Messages and files of a request over the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import Attached, Who
from deskwire.kit.errors import Conflict, Invalid
from deskwire.kit.ids import new_id
from deskwire.kit.pagination import Key, key_of, parse_key
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.files import attachments
from deskwire.tickets.queries.list_requests import read_row
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
from deskwire.web.api.requests import link_next
from deskwire.web.api.shapes import PageQuery
from deskwire.web.http.uploads import receive_one
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal


async def list_messages(call: Call, query: PageQuery) -> MessagePage:
    """List the messages of a request.

    The oldest first. Notes are shown to the team alone.
    """
    after = parse_key(query.after)
    if query.after and after is None:
        raise Invalid("Take `after` from `next` of the page before.", {"?after": "No such place."})
    items, more = await call.read(_read_page, call.id("request"), after)
    link_next(call, more)
    return MessagePage(items=items, next=more, cursor=call.cursor)


async def write(call: Call, given: NewMessage) -> MessageNow:
    """Write a message.

    A reply, which everybody reads who sees the request, or a note for the team.
    """
    written = Written(given.id or new_id(), given.text, given.kind, given.files)
    return await call.write(_say, call.id("request"), written)


async def edit(call: Call, given: NewText) -> MessageNow:
    """Change your own message."""
    return await call.write(_edit, call.id("request"), call.id("message"), given.text)


async def erase(call: Call) -> None:
    """Delete a message with its files.

    Your own, or any as a moderator of the team.
    """
    await call.write(post_message.erase, call.id("request"), call.id("message"))


async def list_files(call: Call) -> FileList:
    """List the files of a request.

    Those of notes are shown to the team alone. `href` is where one is downloaded.
    """
    items = await call.read(_read_files, call.id("request"))
    return FileList(items=items, cursor=call.cursor)


async def send_file(call: Call, query: SendQuery) -> FileNow:
    """Send a file, as a message of its own.

    A form with one file, or its bytes with `x-file-name`. To send several, or with a text, upload
    them to `/files?workspace=` first, and name their ids in the message.
    """
    id_, uploads = call.id("request"), call.site.uploads
    place = await call.read(_read_workspace, id_)
    kept = await receive_one(call.request, uploads, call.person, place)
    try:
        written = Written(query.message or new_id(), "", query.kind, [kept.id])
        sent = await call.write(_send, id_, written)
    except BaseException:
        await uploads.forget(call.person, kept.id)
        raise
    if sent.id != kept.id:  # it was here already
        await uploads.forget(call.person, kept.id)
    call.headers["location"] = sent.href
    return sent


async def remove_file(call: Call) -> None:
    """Delete a file.

    Your own, or any as a moderator of the team. A message that was nothing but this file goes with
    it.
    """
    file = call.id("file")
    await call.write(post_message.remove_file, call.id("request"), file)
    await call.site.uploads.drop(file)


def _read_page(
    tx: Connection, viewer: Viewer, id_: str, after: Key | None
) -> tuple[list[MessageNow], str | None]:
    read_row(tx, viewer, id_)
    notes = is_staff(viewer)
    rows = messages.read_page(tx, id_, after, notes=notes)
    shown = rows[: messages.PAGE]
    more = key_of(shown[-1].at, shown[-1].id) if len(rows) > messages.PAGE else None
    names = read_names(tx, [row.author for row in shown])
    sent = attachments.read_of_ticket(tx, id_, notes=notes)
    return [_message_now(row, names, sent.get(row.id, [])) for row in shown], more


def _say(tx: Connection, deed: Deed, id_: str, written: Written) -> MessageNow:
    return _read_now(tx, post_message.say(tx, deed, id_, written))


def _edit(tx: Connection, deed: Deed, id_: str, message: str, text: str) -> MessageNow:
    return _read_now(tx, post_message.edit(tx, deed, id_, message, text))


def _send(tx: Connection, deed: Deed, id_: str, written: Written) -> FileNow:
    row = post_message.say(tx, deed, id_, written)
    sent = attachments.read_of_message(tx, row.id)
    if not sent:
        raise Conflict("The message with this id has no file. Send it again with a new id.")
    return FileNow(**dict(sent[0]), message=row.id)


def _read_now(tx: Connection, row: Row[Any]) -> MessageNow:
    return _message_now(row, read_names(tx, [row.author]), attachments.read_of_message(tx, row.id))


def _message_now(
    row: Row[Any], names: Mapping[Principal, Who], sent: Sequence[Attached]
) -> MessageNow:
    return MessageNow(
        id=row.id,
        kind=row.kind,
        side=row.side,
        origin=row.origin,
        author=names.get(row.author),
        text=row.text,
        html=row.html,
        files=[*sent],
        at=row.at,
        edited_at=row.edited_at,
        revision=row.revision,
    )


def _read_workspace(tx: Connection, viewer: Viewer, id_: str) -> Workspace:
    return str(read_row(tx, viewer, id_).workspace)


def _read_files(tx: Connection, viewer: Viewer, id_: str) -> list[FileNow]:
    read_row(tx, viewer, id_)
    found = attachments.read_of_ticket(tx, id_, notes=is_staff(viewer))
    return [
        FileNow(**dict(each), message=message) for message, some in found.items() for each in some
    ]
