"""Record direct database edits of tickets and messages as events.

A direct edit of a ticket is stored as a fact, so that older facts cannot undo it. The HTML of an
edited message is always rendered again from its text; an edited `html` column is overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import OperationalError

from deskwire.events.channels import STAFF_CHANNEL
from deskwire.kit.errors import NotFound
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.tickets import messages, search_index
from deskwire.tickets.actions.record import (
    read_participant_channels,
    record_direct_edit,
    record_ticket_event,
    update_opener_participant,
    write_ticket_state,
)
from deskwire.tickets.files.attachments import files
from deskwire.tickets.messages import AddedMessage, MessageRow
from deskwire.tickets.prepared_text import PreparedText, prepare_text
from deskwire.tickets.request_fields import FIELDS
from deskwire.tickets.state import DIRECT_EDIT_TYPE, TicketState, find_direct_edits, fold_facts
from deskwire.tickets.statuses import ENDED_STATUSES, to_wire_status
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.tickets.visibility import read_ticket_channels
from deskwire.workspaces.name_index import index_names
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit, Principal

# Columns of a message that pages show; an edit of any other column sends no event.
VISIBLE_COLUMNS = ("kind", "side", "author", "at", "html", "text", "type", "data")

MAX_UNPREPARED_LENGTH = 200  # characters; rendered at once where an invalid text was replaced


def record_ticket_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a ticket's row was inserted, changed or deleted."""
    before: TicketRow | None = edit.before
    after: TicketRow | None = edit.after
    if after is None:
        _record_ticket_removal(
            tx,
            edit,
            edit.before,
            read_participant_channels(tx, edit.before.id, edit.before.opener),
        )
        return
    facts = messages.read_facts(tx, after.id)
    changes = find_direct_edits(after, fold_facts(facts), include_opened_at=before is None)
    # An action that noticed the edit first stored its line without an event; send that line now.
    line: AddedMessage | MessageRow | None = messages.find_newest_of_type(
        tx, after.id, DIRECT_EDIT_TYPE
    )
    if changes:
        line = record_direct_edit(tx, after.id, changes, edit.at)
    state = TicketState(opener=after.opener, deleted_at=after.deleted_at)
    access_changes = update_opener_participant(tx, after.id, before, state)
    row = _recompute_derived_columns(tx, after, edit.at if changes else 0)
    if edit.is_changed("workspace"):
        access_changes = [*access_changes, *read_participant_channels(tx, after.id)]
        # Or they would be deleted with the organization that the ticket has left.
        tx.execute(update(files).where(files.c.ticket == after.id).values(workspace=row.workspace))
        if before is not None and _is_visible(before):
            _record_ticket_removal(tx, edit, before, access_changes)
        before = None
    if _is_visible(row):
        type_, wire = _classify_ticket_change(edit, before, row)
        origin = edit.origin(**_build_sender_fields(row), **wire)
        record_ticket_event(tx, origin, type_, row, line, access_changes)
    elif _is_visible(before):
        _record_ticket_removal(tx, edit, row, access_changes)


class TextNotPrepared(Exception):
    """A message's text is none of those that were rendered for the transaction."""


def prepare_message_texts(
    tx: Connection, message_ids: Sequence[str], known: Mapping[str, PreparedText]
) -> dict[str, PreparedText]:
    """Return the texts of messages as rendered for `record_message_edit`; `known` are already."""
    table, texts = messages.messages, dict[str, PreparedText]()
    for id_ in message_ids:
        query = select(table.c.text).where(table.c.id == id_, table.c.kind != "system")
        # One query each, because SQLite fails on a row with undecodable text.
        with suppress(OperationalError):
            for text in tx.execute(query).scalars():
                if text is not None and text not in texts:
                    texts[text] = known.get(text) or prepare_text(text)
    return texts


def record_message_edit(
    tx: Connection, edit: DirectEdit, texts: Mapping[str, PreparedText] | None = None
) -> None:
    """Record that a message's row was inserted, changed or deleted.

    `texts` are rendered texts of messages; None: the text is rendered here. Raises NotFound if its
    `ticket` does not exist, and TextNotPrepared if its text is not among `texts`.
    """
    before: MessageRow | None = edit.before
    after: MessageRow | None = edit.after
    has_left = after is None or (before is not None and before.ticket != after.ticket)
    if before is not None and has_left:
        _record_message_change(tx, edit, before.ticket, before, None)
    if after is None:
        return
    prepared = _find_prepared_text(after, texts)
    table = messages.messages
    query = (
        update(table)
        .where(table.c.id == after.id)
        .values(html=messages.render_message_html(after, prepared), revision=table.c.revision + 1)
        .returning(table)
    )
    row = fetch_one(tx, query, MessageRow)
    if not _record_message_change(tx, edit, row.ticket, None if has_left else before, row):
        raise NotFound(f"there is no ticket {row.ticket!r}; correct `ticket`, or delete it")


def _find_prepared_text(
    row: MessageRow, texts: Mapping[str, PreparedText] | None
) -> PreparedText | None:
    if texts is None or row.kind == "system" or row.text is None:
        return None
    prepared = texts.get(row.text)
    if prepared is None and len(row.text) > MAX_UNPREPARED_LENGTH:
        raise TextNotPrepared
    return prepared


def _record_message_change(
    tx: Connection,
    edit: DirectEdit,
    ticket_id: str,
    before: MessageRow | None,
    after: MessageRow | None,
) -> bool:
    """Record the change of a message in one ticket. Return False if there is no such ticket."""
    query = select(tickets).where(tickets.c.id == ticket_id).with_for_update()
    ticket = fetch_first(tx, query, TicketRow)
    if ticket is None:
        return False
    if any(message is not None and message.kind == "system" for message in (before, after)):
        ticket = _rebuild_ticket_state(tx, edit, ticket)
    row = _recompute_derived_columns(tx, ticket, after.at if after is not None else 0)
    type_, wire = _classify_message_change(tx, before, after)
    origin = edit.origin(**_build_sender_fields(row), **wire)
    if type_ is not None:
        line = after if _is_public_message(after) else None
        record_ticket_event(tx, origin, type_, row, line)
    elif before is not None and (after is None or after.text != before.text):
        # A note: without an event, the team's pages and the log would keep its text.
        type_ = "ticket.message_deleted" if after is None else "ticket.message_edited"
        origin = edit.origin(**_build_sender_fields(row), message=before.id)
        record_ticket_event(tx, origin, type_, row, after, event_channels=[STAFF_CHANNEL])
    return True


def _classify_message_change(
    tx: Connection, before: MessageRow | None, after: MessageRow | None
) -> tuple[str | None, dict[str, Any]]:
    """Return the event for a changed message and its fields; None if pages do not show it."""
    if after is None or not _is_public_message(after):
        if before is None or not _is_public_message(before):
            return None, {}
        return "ticket.message_deleted", {"message": before.id}
    if before is not None and _is_public_message(before):
        is_changed = any(getattr(before, name) != getattr(after, name) for name in VISIBLE_COLUMNS)
        return ("ticket.message_edited" if is_changed else None), {"message": after.id}
    if after.kind == "system":
        return "ticket.updated", {"changes": {}, "actorId": DIRECT_EDIT_ACTOR}
    return "ticket.message_sent", {
        "messageId": after.sender_id or after.id,
        "authorId": after.author.removeprefix("discord:"),
        "authorUsername": read_names(tx, [after.author])[after.author].name if after.author else "",
        "messageType": after.side or "bot",
        "hasAttachments": bool(json.loads(after.data).get("hasAttachments")),
        "messageLength": len(after.text or ""),
        "content": after.text,
    }


def _is_public_message(row: MessageRow | None) -> bool:
    return row is not None and row.kind != "note"


def _rebuild_ticket_state(tx: Connection, edit: DirectEdit, row: TicketRow) -> TicketRow:
    """Fold a ticket's state again after one of its facts was edited. Return the new row."""
    state = fold_facts(messages.read_facts(tx, row.id))
    access_changes = update_opener_participant(tx, row.id, row, state)
    changed = write_ticket_state(tx, row, state, row.active_at)
    if access_changes or (row.deleted_at is None) != (state.deleted_at is None):
        type_, wire = _classify_ticket_change(edit, row, changed)
        origin = edit.origin(**_build_sender_fields(changed), **wire)
        record_ticket_event(tx, origin, type_, changed, None, access_changes)
    return changed


def _recompute_derived_columns(tx: Connection, row: TicketRow, at: int) -> TicketRow:
    """Recompute reply count, activity and search index of a ticket. Return the new row."""
    table = messages.messages
    replies = select(func.count()).where(table.c.ticket == row.id, table.c.kind == "reply")
    query = (
        update(tickets)
        .where(tickets.c.id == row.id)
        .values(
            messages=replies.scalar_subquery(),
            active_at=max(row.active_at, at),
            revision=tickets.c.revision + 1,
        )
        .returning(tickets)
    )
    changed = fetch_one(tx, query, TicketRow)
    search_index.index_ticket(tx, changed)
    search_index.index_changed_replies(tx, changed, ())
    index_names(tx, changed.workspace, {changed.opener, changed.assignee})
    return changed


def _classify_ticket_change(
    edit: DirectEdit, before: TicketRow | None, after: TicketRow
) -> tuple[str, dict[str, Any]]:
    """Return the one event that says most about a changed ticket, and its fields."""
    if not _is_visible(after):
        return "ticket.deleted", {"deletedBy": DIRECT_EDIT_ACTOR}
    if before is None or not _is_visible(before):
        return "ticket.created", {
            "subject": after.subject or "",
            "openerId": _format_wire_id(after.opener),
            "openerUsername": _format_wire_id(after.opener),
        }
    status_fields = {
        "oldStatus": to_wire_status(before.status, is_assigned=before.assignee is not None),
        "newStatus": to_wire_status(after.status, is_assigned=after.assignee is not None),
        "actorId": DIRECT_EDIT_ACTOR,
    }
    if after.status != before.status:
        has_ended = after.status in ENDED_STATUSES
        return "ticket.closed" if has_ended else "ticket.status_changed", status_fields
    if after.assignee is not None and after.assignee != before.assignee:
        return "ticket.claimed", status_fields
    changes = _diff_ticket_fields(before, after)
    return "ticket.updated", {"changes": changes, "actorId": DIRECT_EDIT_ACTOR}


def _diff_ticket_fields(before: TicketRow, after: TicketRow) -> dict[str, Any]:
    """Return the `changes` of `ticket.updated`. Ids are left out: the event would need names."""
    changes: dict[str, Any] = {}
    for field in FIELDS.values():
        old, new = getattr(before, field.column), getattr(after, field.column)
        if old == new or not field.has_update_event or field.value_type == "id":
            continue
        if field.value_type == "value":
            changes[field.column] = {"old": old, "new": new}
        elif (had := set(json.loads(old))) != (has := set(json.loads(new))):
            changes[field.column] = {"added": sorted(has - had), "removed": sorted(had - has)}
    return changes


def _record_ticket_removal(
    tx: Connection, edit: DirectEdit, row: TicketRow, access_changes: list[str]
) -> None:
    """Append `ticket.deleted` for the people who saw a ticket in the workspace of `row`."""
    removed: Any = row
    if edit.after is None:  # the row is gone, so no statement has raised its revision
        removed = SimpleNamespace(**{**vars(row), "revision": row.revision + 1})
    record_ticket_event(
        tx,
        edit.origin(**_build_sender_fields(row), deletedBy=DIRECT_EDIT_ACTOR),
        "ticket.deleted",
        removed,
        None,
        access_changes,
        event_channels=read_ticket_channels(tx, row.workspace, row.id),
    )


def _is_visible(row: TicketRow | None) -> bool:
    return row is not None and row.deleted_at is None


def _build_sender_fields(row: TicketRow) -> dict[str, Any]:
    """Return the ids that the sender uses for a ticket."""
    kind, _, workspace_id = row.workspace.partition(":")
    guild_id = workspace_id if kind == "guild" else None
    return {"guildId": guild_id, "ticketId": row.sender_id, "ticketNumber": row.number}


def _format_wire_id(principal: Principal | None) -> str:
    return (principal or DIRECT_EDIT_ACTOR).removeprefix("discord:")
