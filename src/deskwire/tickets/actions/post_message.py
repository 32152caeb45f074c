"""What people write in a request: replies and internal notes, changed and deleted by their author.

Ids are chosen by who writes (UUIDv7), so that sending again after a lost answer writes once, and
the writer's own screen knows the echo of what it showed at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, insert, select, update

from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL
from deskwire.events.redaction import redact_file
from deskwire.events.types.registry import FileShape, TicketRead
from deskwire.kit.clock import Millis
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import is_id
from deskwire.tickets import messages, search_index
from deskwire.tickets.actions.record import (
    lock_for_update,
    record_status_change,
    record_ticket_event,
    update_ticket_row,
)
from deskwire.tickets.files import attachments
from deskwire.tickets.markdown import find_mentions
from deskwire.tickets.messages import MessageFields, render_message_html
from deskwire.tickets.participants import read_request_people
from deskwire.tickets.tables import reads, tickets
from deskwire.tickets.validation import parse_text
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff, require

MessageKind = Literal["reply", "note"]
MessageAction = Literal["edit", "delete", "strip"]  # strip: of a file
AUTHOR_ONLY_TEXTS: Mapping[MessageAction, str] = {
    "edit": N_("Only who wrote a message can edit it."),
    "delete": N_("Only who wrote a message can delete it."),
    "strip": N_("Only who sent a file can delete it."),
}


@dataclass(frozen=True, slots=True)
class MessageInput:
    """What somebody has typed. `id`: chosen by their screen; `files`: uploaded before."""

    id: str
    text: str
    kind: MessageKind = "reply"
    file_ids: Sequence[str] = ()


def post_message(
    tx: Connection, actor: Actor, ticket_id: str, message_input: MessageInput
) -> Row[Any]:
    """Add a reply, which everybody reads who sees the request, or a note for the team.

    A client's reply turns `waiting` into `active`. The same id again changes nothing; Conflict
    where it is another message's. Gives the message's row.
    """
    row = lock_for_update(tx, actor, ticket_id)
    if (known := _find_existing_message(tx, actor, row, message_input.id)) is not None:
        return known
    _require_can_post(actor, row, message_input.kind)
    text = (
        ""
        if message_input.file_ids and not message_input.text.strip()
        else parse_text(message_input.text)
    )
    line = record_new_message(tx, actor, row, replace(message_input, text=text))
    if (
        row.status == "waiting"
        and message_input.kind == "reply"
        and _author_side(actor, row) == "customer"
    ):
        record_status_change(tx, actor, lock_for_update(tx, actor, ticket_id), "active")
    return line


def record_new_message(
    tx: Connection,
    actor: Actor,
    row: Row[Any],
    message_input: MessageInput,
    *,
    is_description: bool = False,
) -> Row[Any]:
    """Write a message of a held request and tell of it; `opens`: it is the request's description,
    of which `ticket.created` tells."""
    is_note = message_input.kind == "note"
    draft = _build_message_fields(tx, actor, row, message_input, is_description=is_description)
    line = messages.insert_message(tx, draft)
    shown = attachments.attach_files(
        tx, actor.person_id, row.id, line.id, message_input.file_ids, is_note=is_note
    )
    if is_note:
        changed: Any = row  # or clients could tell from its revision that there is a note
    else:
        search_index.index_reply(tx, row, message_input.text)
        changed = update_ticket_row(
            tx,
            row,
            messages=tickets.c.messages + 1,
            active_at=max(row.active_at, actor.at),
            spoken_at=actor.at,
            spoken_by=actor.person_id,
        )
        mark_read(tx, actor, row.id, actor.at)
    if not is_description:
        wire = _build_message_sent_fields(tx, actor, draft, line.id, shown)
        hearers = [STAFF_CHANNEL] if is_note else None
        record_ticket_event(
            tx,
            actor.origin(**wire),
            "ticket.message_sent",
            changed,
            line,
            event_channels=hearers,
            files=shown,
        )
    for file in shown:
        wire = {"file": file.model_dump(exclude_unset=True, by_alias=True), "message": line.id}
        _record_file_event(tx, actor, changed, "ticket.file_added", wire, is_note=is_note)
    return tx.execute(select(messages.messages).where(messages.messages.c.id == line.id)).one()


def _build_message_fields(
    tx: Connection,
    actor: Actor,
    row: Row[Any],
    message_input: MessageInput,
    *,
    is_description: bool,
) -> MessageFields:
    people = read_request_people(tx, row.workspace)
    allowed = people.staff if message_input.kind == "note" else people.members_and_staff
    mentions = {
        id_: who.name
        for id_, who in allowed.items()
        if who.name in find_mentions(message_input.text, [each.name for each in allowed.values()])
    }
    return MessageFields(
        row.id,
        message_input.kind,
        "ticket.created" if is_description else "ticket.message_sent",
        actor.person_id,
        actor.at,
        {"mentions": mentions},
        _author_side(actor, row),
        text=message_input.text,
        id=message_input.id,
        origin="portal",
        mentioned=list(mentions.values()),
    )


def edit_message(
    tx: Connection, actor: Actor, ticket_id: str, message_id: str, text: str
) -> Row[Any]:
    """Change one's own message; what it said before is taken out of the log as well."""
    row = lock_for_update(tx, actor, ticket_id)
    message = _require_can_change(
        actor, row, messages.read_message_row(tx, row.id, message_id, for_update=True), "edit"
    )
    tidy = parse_text(text)
    if tidy == message.text:
        return message
    circle = read_request_people(tx, row.workspace)
    allowed = (circle.staff if message.kind == "note" else circle.members_and_staff).items()
    called = find_mentions(tidy, [who.name for _, who in allowed])
    mentions = {id_: who.name for id_, who in allowed if who.name in called}
    changed = _update_message_text(tx, message, text=tidy, mentions=mentions, edited_at=actor.at)
    _record_message_event(tx, actor, row, changed, "ticket.message_edited")
    return changed


def delete_message(tx: Connection, actor: Actor, ticket_id: str, message_id: str) -> None:
    """Delete a message with its files: one's own, or as a moderator any; from the log as well."""
    row = lock_for_update(tx, actor, ticket_id)
    message = _require_can_change(
        actor, row, messages.read_message_row(tx, row.id, message_id, for_update=True), "delete"
    )
    if message.type == "ticket.created":
        raise Conflict(gettext("This is what the request is about. Cancel the request instead."))
    sent = attachments.list_message_files(tx, message_id)
    attachments.delete_message_file_rows(tx, message_id)
    table = messages.messages
    mine = table.c.id == message_id
    tx.execute(update(table).where(mine).values(revision=-1))  # ours, not an edit by hand
    tx.execute(delete(table).where(mine))
    _record_message_event(tx, actor, row, message, "ticket.message_deleted", is_deleted=True)
    for file in sent:
        is_note = message.kind == "note"
        _record_file_event(
            tx, actor, row, "ticket.file_removed", {"file": file.id}, is_note=is_note
        )


def delete_file(tx: Connection, actor: Actor, ticket_id: str, file_id: str) -> None:
    """Delete a file that was sent: one's own, or as a moderator any; its name from the log as well.

    A message that was nothing but this file goes with it. The bytes are the caller's to remove.
    """
    row = lock_for_update(tx, actor, ticket_id)
    file = attachments.find_sent_file(tx, row.id, file_id)
    if file is None:
        raise NotFound(gettext("There is no such file, or it is not shared with you."))
    message = _require_can_change(
        actor, row, messages.read_message_row(tx, row.id, file.message, for_update=True), "strip"
    )
    if not message.text and len(attachments.list_message_files(tx, message.id)) == 1:
        delete_message(tx, actor, ticket_id, message.id)
        return
    attachments.delete_file_row(tx, file_id)
    log.redact_entries(tx, row.workspace, file_id, since=message.at, rule=redact_file)
    table = messages.messages
    stripped = update(table).where(table.c.id == message.id)
    tx.execute(stripped.values(revision=table.c.revision + 1))
    changed: Any = row if file.note else update_ticket_row(tx, row)
    _record_file_event(
        tx, actor, changed, "ticket.file_removed", {"file": file_id}, is_note=file.note
    )


def mark_read(tx: Connection, actor: Actor, ticket_id: str, at: Millis) -> None:
    """Note that the viewer has read a request up to a moment; never less than before."""
    mine = (reads.c.ticket == ticket_id) & (reads.c.person == actor.person_id)
    known = tx.execute(select(reads.c.at).where(mine)).scalar()
    if known is not None and known >= at:
        return
    if known is None:
        tx.execute(insert(reads).values(ticket=ticket_id, person=actor.person_id, at=at))
    else:
        tx.execute(update(reads).where(mine).values(at=at))
    fact = TicketRead(actor=actor.person_id, ticket=ticket_id, at=at)
    log.append(tx, fact, channels=[channels.user(actor.person_id)])


def mark_all_read(tx: Connection, actor: Actor, ticket_id: str) -> None:
    """The viewer has read all there is in a request now."""
    lock_for_update(tx, actor, ticket_id)  # or two first looks at once would both write one
    mark_read(tx, actor, ticket_id, actor.at)


def read_editable_message(
    tx: Connection, actor: Actor, row: Row[Any], message_id: str
) -> tuple[Row[Any], set[str]]:
    """A message of a visible request, and which of `edit` and `delete` the viewer may do to it.
    NotFound where it is neither."""
    message, may_do = messages.read_message_row(tx, row.id, message_id), set[str]()
    for verb in ("edit", "delete"):
        with suppress(Forbidden, NotFound):
            _require_can_change(actor, row, message, verb)
            may_do.add(verb)
    if message is not None and message.type == "ticket.created":
        may_do.discard("delete")
    if message is None or not may_do:
        raise NotFound(gettext("There is no such message, or it is not yours."))
    return message, may_do


def can_edit_message(actor: Actor, message: Any) -> bool:  # noqa: ANN401 - a row, or a line's author and kind
    """Whether the viewer may change a message: who wrote it, as long as they see it."""
    return bool(message.author == actor.person_id and message.kind != "system")


def _find_existing_message(
    tx: Connection, actor: Actor, row: Row[Any], message_id: str
) -> Row[Any] | None:
    if not is_id(message_id):
        raise Invalid(
            gettext("A message's id is a UUIDv7 in lower case."), {"id": gettext("Not a UUIDv7")}
        )
    acquire_advisory_lock(
        tx, f"message {message_id}"
    )  # or of two who send it to two requests at once, one would break
    table = messages.messages
    known = tx.execute(select(table).where(table.c.id == message_id)).one_or_none()
    if known is not None and (known.ticket != row.id or known.author != actor.person_id):
        raise Conflict(gettext("This id is another message's. Send it again with a new one."))
    return known


def _require_can_post(actor: Actor, row: Row[Any], kind: MessageKind) -> None:
    if kind == "note":
        require(actor.viewer, Permission.NOTE)
    elif row.opener != actor.person_id and channels.ticket(row.id) not in actor.viewer.channels:
        require(actor.viewer, Permission.FILE, row.workspace)


def _author_side(actor: Actor, row: Row[Any]) -> Literal["customer", "staff"]:
    is_theirs = row.opener == actor.person_id or not is_staff(actor.viewer)
    return "customer" if is_theirs else "staff"


def _require_can_change(
    actor: Actor, row: Row[Any], message: Row[Any] | None, action: MessageAction
) -> Row[Any]:
    if message is None or message.kind == "system":
        raise NotFound(gettext("There is no such message."))
    if message.kind == "note" and not can(actor.viewer, Permission.NOTE):
        raise NotFound(gettext("There is no such message."))
    moderates = action != "edit" and can(actor.viewer, Permission.MODERATE, row.workspace)
    if not can_edit_message(actor, message) and not moderates:
        raise Forbidden(gettext(AUTHOR_ONLY_TEXTS[action]))
    return message


def _update_message_text(
    tx: Connection, message: Row[Any], *, text: str, mentions: dict[str, str], edited_at: Millis
) -> Row[Any]:
    table = messages.messages
    data = messages.replace_mentions(message.data, mentions)
    mine = update(table).where(table.c.id == message.id)
    changed = mine.values(
        text=text, data=data, edited_at=edited_at, revision=table.c.revision + 1
    ).returning(table)
    row = tx.execute(changed).one()
    anew = mine.values(html=render_message_html(row), revision=row.revision + 1)
    return tx.execute(anew.returning(table)).one()


def _record_message_event(
    tx: Connection,
    actor: Actor,
    row: Row[Any],
    message: Row[Any],
    type_: str,
    *,
    is_deleted: bool = False,
) -> None:
    log.redact_entries(tx, row.workspace, message.id, since=message.at)
    is_note = message.kind == "note"
    changed: Any = row
    if not is_note:
        search_index.reindex_replies(tx, row.id)
        fewer = {"messages": tickets.c.messages - 1} if is_deleted else {}
        changed = update_ticket_row(tx, row, **fewer)
    shown = [] if is_deleted else attachments.list_message_files(tx, message.id)
    record_ticket_event(
        tx,
        actor.origin(message=message.id),
        type_,
        changed,
        None if is_deleted else message,
        event_channels=[STAFF_CHANNEL] if is_note else None,
        files=shown,
    )


def _record_file_event(
    tx: Connection,
    actor: Actor,
    row: Any,  # noqa: ANN401 - a row
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
    """The event's own fields, as the bot's have them."""
    return {
        "messageId": message_id,
        "authorId": actor.person_id,
        "authorUsername": read_names(tx, [actor.person_id])[actor.person_id].name,
        "messageType": draft.side,
        "hasAttachments": bool(attached_files),
        "messageLength": len(draft.text or ""),
        "content": draft.text,
        **({"mentions": sorted(mentions)} if (mentions := draft.data["mentions"]) else {}),
    }
