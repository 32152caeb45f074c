"""Post, edit and delete replies and internal notes.

The author's client chooses a message's id (UUIDv7). Sending it again after a lost response writes
it once, and the client recognizes the echo of the message it has already shown.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, delete, update

from deskwire.events.channels import STAFF_CHANNEL, PersonId
from deskwire.events.types.registry import FileShape
from deskwire.kit.clock import Millis
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.tickets import messages, search_index
from deskwire.tickets.actions.mark_read import mark_read
from deskwire.tickets.actions.message_permissions import (
    MessageAction,
    author_side,
    require_can_change,
    require_can_post,
)
from deskwire.tickets.actions.record import (
    lock_for_update,
    record_status_change,
    record_ticket_event,
    update_ticket_row,
)
from deskwire.tickets.files import attachments
from deskwire.tickets.messages import AddedMessage, MessageFields, MessageRow
from deskwire.tickets.participants import read_mentionable_names
from deskwire.tickets.prepared_text import EMPTY_TEXT, PreparedText, parse_input
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Permission, can

MessageKind = Literal["reply", "note"]


@dataclass(frozen=True, slots=True)
class MessageInput:
    """A new message, unchecked. The client chooses the id and has uploaded the files before."""

    id: str
    text: str | PreparedText  # the server prepares it: rendering is too slow for a transaction
    kind: MessageKind = "reply"
    file_ids: Sequence[str] = ()


def post_message(
    tx: Connection, actor: Actor, ticket_id: str, message_input: MessageInput
) -> MessageRow:
    """Add a reply for all who see the request, or a note for the staff. Return the message's row.

    A client's reply turns `waiting` into `active`. The same id again changes nothing. Raises
    Conflict for an id that is taken, Invalid for a text that is blank or too long, and Forbidden
    without the permission to write, also for a message that exists.
    """
    row = lock_for_update(tx, actor, ticket_id)
    # Before the message is looked for: authors who left the team may not read their notes.
    require_can_post(actor, row, is_note=message_input.kind == "note")
    existing = _find_existing_message(tx, actor, row, message_input)
    if existing is not None:
        return existing
    id_ = record_new_message(tx, actor, row, message_input, _parse_message_text(message_input))
    is_answer = message_input.kind == "reply" and author_side(actor, row) == "customer"
    if row.status == "waiting" and is_answer:
        record_status_change(tx, actor, lock_for_update(tx, actor, ticket_id), "active")
    return fetch_one(tx, messages.SELECT_BY_ID, MessageRow, {"of": id_})


def record_new_message(
    tx: Connection,
    actor: Actor,
    row: TicketRow,
    message_input: MessageInput,
    text: PreparedText,
    *,
    is_description: bool = False,
) -> str:
    """Insert a message of a locked request and append its events. Return its id.

    `text` is the parsed text of `message_input`. The description of a request has no event of its
    own: `ticket.created` announces it, and the row was created with it counted.
    """
    is_note = message_input.kind == "note"
    draft = _build_message_fields(
        tx, actor, row, message_input, text, is_description=is_description
    )
    message = messages.insert_message(tx, draft)
    files = attachments.attach_files(
        tx, actor.subject, row.id, message.id, message_input.file_ids, is_note=is_note
    )
    changed = row  # for a note, or clients could tell from the revision that there is one
    if not is_note:
        search_index.index_reply(tx, row, text.words)
        changed = row if is_description else _update_ticket_for_reply(tx, actor, row)
        if actor.viewer.is_person:
            mark_read(tx, actor, row.id, actor.at)
    if not is_description:
        _record_message_sent(tx, actor, changed, draft, message, files)
    for file in files:
        wire = {"file": file.model_dump(exclude_unset=True, by_alias=True), "message": message.id}
        _record_file_event(tx, actor, changed, "ticket.file_added", wire, is_note=is_note)
    return message.id


def _parse_message_text(message_input: MessageInput) -> PreparedText:
    text = message_input.text
    is_files_only = bool(message_input.file_ids) and isinstance(text, str) and not text.strip()
    return EMPTY_TEXT if is_files_only else parse_input(text)


def _update_ticket_for_reply(tx: Connection, actor: Actor, row: TicketRow) -> TicketRow:
    return update_ticket_row(
        tx,
        row,
        messages=tickets.c.messages + 1,
        active_at=max(row.active_at, actor.at),
        spoken_at=actor.at,
        spoken_by=actor.subject,
    )


def _record_message_sent(
    tx: Connection,
    actor: Actor,
    row: TicketRow,
    draft: MessageFields,
    message: AddedMessage,
    files: Sequence[FileShape],
) -> None:
    wire = _build_message_sent_fields(tx, actor, draft, message.id, files)
    record_ticket_event(
        tx,
        actor.origin(**wire),
        "ticket.message_sent",
        row,
        message,
        event_channels=[STAFF_CHANNEL] if draft.kind == "note" else None,
        files=files,
    )


def _build_message_fields(
    tx: Connection,
    actor: Actor,
    row: TicketRow,
    message_input: MessageInput,
    text: PreparedText,
    *,
    is_description: bool,
) -> MessageFields:
    mentions = _find_mentioned(tx, row, message_input.kind, text)
    return MessageFields(
        row.id,
        message_input.kind,
        "ticket.created" if is_description else "ticket.message_sent",
        actor.subject,
        actor.at,
        {"mentions": mentions},
        author_side(actor, row),
        text=text.text,
        id=message_input.id,
        origin="portal",
        mentioned=list(mentions.values()),
        prepared=text,
    )


def _find_mentioned(
    tx: Connection, row: TicketRow, kind: str, text: PreparedText
) -> dict[PersonId, str]:
    """Return the names of the people a text mentions, by id; a note mentions only staff."""
    if not text.candidates:  # nearly always; there may be a thousand members to read
        return {}
    return text.find_mentions(read_mentionable_names(tx, row.workspace, only_staff=kind == "note"))


def edit_message(
    tx: Connection, actor: Actor, ticket_id: str, message_id: str, text: str | PreparedText
) -> MessageRow:
    """Change the text of one's own message, and remove the old text from the log.

    Raises NotFound, Forbidden if it is another person's, and Invalid as `post_message`.
    """
    row = lock_for_update(tx, actor, ticket_id)
    found = messages.read_message_row(tx, row.id, message_id, for_update=True)
    message = require_can_change(actor, row, found, "edit")
    new_text = parse_input(text)
    if new_text.text == message.text:
        return message
    mentions = _find_mentioned(tx, row, message.kind, new_text)
    changed = _update_message_text(
        tx, message, text=new_text, mentions=mentions, edited_at=actor.at
    )
    _record_message_event(
        tx, actor, row, changed, "ticket.message_edited", new_words=new_text.words
    )
    return changed


def delete_message(tx: Connection, actor: Actor, ticket_id: str, message_id: str) -> None:
    """Delete a message with its files, and remove its text from the log.

    Authors delete their own, moderators any. Raises NotFound, Forbidden if it is another person's,
    and Conflict for the description of the request.
    """
    row = lock_for_update(tx, actor, ticket_id)
    found = messages.read_message_row(tx, row.id, message_id, for_update=True)
    message = require_can_change(actor, row, found, "delete")
    if message.type == "ticket.created":
        raise Conflict(
            gettext(
                "This message describes the request and can’t be deleted. "
                "Cancel the request instead."
            )
        )
    files = attachments.list_message_files(tx, message_id)
    attachments.delete_message_file_rows(tx, message_id)
    table = messages.messages
    is_message = table.c.id == message_id
    # Revision -1 marks the deletion as ours: the triggers take any other for a direct edit.
    tx.execute(update(table).where(is_message).values(revision=-1))
    tx.execute(delete(table).where(is_message))
    _record_message_event(tx, actor, row, message, "ticket.message_deleted", is_deleted=True)
    for file in files:
        is_note = message.kind == "note"
        _record_file_event(
            tx, actor, row, "ticket.file_removed", {"file": file.id}, is_note=is_note
        )


def delete_file(tx: Connection, actor: Actor, ticket_id: str, file_id: str) -> None:
    """Delete a file that was sent, and remove its name from the log.

    Authors delete their own, moderators any. A message that consists of this file alone is deleted
    too. The caller deletes the bytes from the store. Raises NotFound and Forbidden.
    """
    row = lock_for_update(tx, actor, ticket_id)
    file = attachments.find_sent_file(tx, row.id, file_id)
    if file is None or (file.note and not can(actor.viewer, Permission.NOTE)):
        raise NotFound(gettext("This file doesn’t exist, or you don’t have access to it."))
    message = require_can_change(
        actor,
        row,
        messages.read_message_row(tx, row.id, file.message or "", for_update=True),
        "strip",
    )
    if not message.text and len(attachments.list_message_files(tx, message.id)) == 1:
        delete_message(tx, actor, ticket_id, message.id)
        return
    attachments.delete_file_row(tx, file_id)
    table = messages.messages
    query = update(table).where(table.c.id == message.id)
    tx.execute(query.values(revision=table.c.revision + 1))
    changed = row if file.note else update_ticket_row(tx, row)
    _record_file_event(
        tx, actor, changed, "ticket.file_removed", {"file": file_id}, is_note=file.note
    )


def read_editable_message(
    tx: Connection, actor: Actor, row: TicketRow, message_id: str
) -> tuple[MessageRow, set[str]]:
    """Return a message of a visible request, and which of `edit` and `delete` the viewer may do.

    Raises NotFound if they may do neither.
    """
    message, allowed = messages.read_message_row(tx, row.id, message_id), set[str]()
    actions: tuple[MessageAction, ...] = ("edit", "delete")
    for action in actions:
        with suppress(Forbidden, NotFound):
            require_can_change(actor, row, message, action)
            allowed.add(action)
    if message is not None and message.type == "ticket.created":
        allowed.discard("delete")
    if message is None or not allowed:
        raise NotFound(gettext("This message doesn’t exist, or it isn’t yours."))
    return message, allowed


def _find_existing_message(
    tx: Connection, actor: Actor, row: TicketRow, message_input: MessageInput
) -> MessageRow | None:
    message_id = message_input.id
    if not is_id(message_id):
        raise Invalid(
            gettext("A message ID must be a lowercase UUIDv7."), {"id": gettext("Not a UUIDv7")}
        )
    # The ticket's lock is not enough: the same id may be sent to two requests at once.
    acquire_advisory_lock(tx, f"message {message_id}")
    existing = fetch_first(tx, messages.SELECT_BY_ID, MessageRow, {"of": message_id})
    if existing is None:
        return None
    sent = (row.id, actor.subject, message_input.kind)
    if (existing.ticket, existing.author, existing.kind) != sent:
        raise Conflict(
            gettext("This ID belongs to another message. Send yours again with a new ID.")
        )
    return existing


def _update_message_text(
    tx: Connection,
    message: MessageRow,
    *,
    text: PreparedText,
    mentions: dict[PersonId, str],
    edited_at: Millis,
) -> MessageRow:
    table = messages.messages
    query = update(table).where(table.c.id == message.id).returning(table)
    values = {
        "text": text.text,
        "html": text.render(mentions.values()),
        "data": messages.replace_mentions(message.data, mentions),
        "edited_at": edited_at,
        "revision": table.c.revision + 1,
    }
    return fetch_one(tx, query.values(values), MessageRow)


def _record_message_event(
    tx: Connection,
    actor: Actor,
    row: TicketRow,
    message: MessageRow,
    type_: str,
    *,
    is_deleted: bool = False,
    new_words: Sequence[str] = (),
) -> None:
    is_note = message.kind == "note"
    changed = row
    if not is_note:
        search_index.index_changed_replies(tx, row, new_words)
        count = {"messages": tickets.c.messages - 1} if is_deleted else {}
        changed = update_ticket_row(tx, row, **count)
    files = [] if is_deleted else attachments.list_message_files(tx, message.id)
    record_ticket_event(
        tx,
        actor.origin(message=message.id),
        type_,
        changed,
        None if is_deleted else message,
        event_channels=[STAFF_CHANNEL] if is_note else None,
        files=files,
    )


def _record_file_event(
    tx: Connection,
    actor: Actor,
    row: TicketRow,
    type_: str,
    wire_fields: dict[str, Any],
    *,
    is_note: bool,
) -> None:
    record_ticket_event(
        tx,
        actor.origin(**wire_fields),
        type_,
        row,
        None,
        event_channels=[STAFF_CHANNEL] if is_note else None,
    )


def _build_message_sent_fields(
    tx: Connection,
    actor: Actor,
    draft: MessageFields,
    message_id: str,
    attached_files: Collection[FileShape],
) -> dict[str, Any]:
    """Return the event's own fields, the same as in the bot's events."""
    return {
        "messageId": message_id,
        "authorId": actor.subject,
        "authorUsername": read_names(tx, [actor.subject])[actor.subject].name,
        "messageType": draft.side,
        "hasAttachments": bool(attached_files),
        "messageLength": len(draft.text or ""),
        "content": draft.text,
        **({"mentions": sorted(mentions)} if (mentions := draft.data["mentions"]) else {}),
    }
