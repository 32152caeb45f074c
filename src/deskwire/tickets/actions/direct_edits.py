"""What somebody changed of a ticket or a message by hand, told in the events of tickets.

A changed ticket becomes a fact of its own, so that facts told before cannot undo it. A message's
HTML is made anew from its text, whatever is in the column.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from deskwire.kit.errors import NotFound
from deskwire.tickets import messages, search_index
from deskwire.tickets.actions.record import (
    add_edit,
    channels_of_people,
    seat_opener,
    tell,
    write_state,
)
from deskwire.tickets.messages import Added
from deskwire.tickets.state import EDITED, State, edited, fold
from deskwire.tickets.statuses import ENDED, to_wire
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import audience
from deskwire.workspaces.names import make_findable, read_names
from deskwire.workspaces.origin import BY_HAND, Edit, Principal

SHOWN = ("kind", "side", "author", "at", "html", "text", "type", "data")


def tell_of_ticket(tx: Connection, edit: Edit) -> None:
    """A ticket's row was written, changed or deleted."""
    before, now = edit.before, edit.now
    if now is None:
        _tell_gone(tx, edit, before, channels_of_people(tx, before.id, before.opener))
        return
    facts = messages.read_facts(tx, now.id)
    changes = edited(now, fold(facts), opened=before is None)
    # What an action found first it has kept, but not told: its line is told here, with the edit.
    line: Added | Row[Any] | None = messages.read_newest(tx, now.id, EDITED)
    if changes:
        line = add_edit(tx, now.id, changes, edit.at)
    state = State(opener=now.opener, deleted_at=now.deleted_at)
    touched = seat_opener(tx, now.id, before, state)
    row = _complete(tx, now, edit.at if changes else 0)
    if edit.is_changed("workspace"):
        touched = [*touched, *channels_of_people(tx, now.id)]
        if _is_shown(before):
            _tell_gone(tx, edit, before, touched)
        before = None
    if _is_shown(before) and not _is_shown(row):
        _tell_gone(tx, edit, row, touched)
    elif _is_shown(row):
        type_, wire = _told(edit, before, row)
        origin = edit.origin(**_senders(row), **wire)
        tell(tx, origin, type_, row, line, touched)


def tell_of_message(tx: Connection, edit: Edit) -> None:
    """A message's row was written, changed or deleted; NotFound where it is in no ticket."""
    before, now = edit.before, edit.now
    is_elsewhere = now is None or (before is not None and before.ticket != now.ticket)
    if before is not None and is_elsewhere:
        _tell_of_line(tx, edit, before.ticket, before, None)
    if now is not None:
        row = tx.execute(
            update(messages.messages)
            .where(messages.messages.c.id == now.id)
            .values(html=messages.rendered(now), revision=messages.messages.c.revision + 1)
            .returning(messages.messages)
        ).one()
        if not _tell_of_line(tx, edit, row.ticket, None if is_elsewhere else before, row):
            raise NotFound(f"there is no ticket {row.ticket!r}; correct `ticket`, or delete it")


def _tell_of_line(tx: Connection, edit: Edit, ticket_id: str, before: Any, now: Any) -> bool:  # noqa: ANN401
    """What became of a message in one ticket; False where there is none."""
    held = select(tickets).where(tickets.c.id == ticket_id).with_for_update()
    was = tx.execute(held).one_or_none()
    if was is None:
        return False
    if any(each is not None and each.kind == "system" for each in (before, now)):
        was = _folded_anew(tx, edit, was)
    row = _complete(tx, was, now.at if now is not None else 0)
    type_, wire = _told_of_line(tx, before, now)
    if type_ is not None:
        line = now if _is_line(now) else None
        tell(tx, edit.origin(**_senders(row), **wire), type_, row, line)
    return True


def _told_of_line(tx: Connection, before: Any, now: Any) -> tuple[str | None, dict[str, Any]]:  # noqa: ANN401
    """The event that says what became of a message, and its fields; None: nobody saw it."""
    match _is_line(before), _is_line(now):
        case (False, False):
            return None, {}
        case (True, False):
            return "ticket.message_deleted", {"message": before.id}
        case (True, True):
            is_other = any(getattr(before, name) != getattr(now, name) for name in SHOWN)
            return ("ticket.message_edited" if is_other else None), {"message": now.id}
    if now.kind == "system":
        return "ticket.updated", {"changes": {}, "actorId": BY_HAND}
    return "ticket.message_sent", {
        "messageId": now.sender_id or now.id,
        "authorId": now.author.removeprefix("discord:"),
        "authorUsername": read_names(tx, [now.author])[now.author].name if now.author else "",
        "messageType": now.side or "bot",
        "hasAttachments": bool(json.loads(now.data).get("hasAttachments")),
        "messageLength": len(now.text or ""),
        "content": now.text,
    }


def _is_line(row: Any) -> bool:  # noqa: ANN401 - a row, or what is remembered of it
    """Whether everybody who sees the ticket sees the message."""
    return row is not None and row.kind != "note"


def _folded_anew(tx: Connection, edit: Edit, row: Row[Any]) -> Row[Any]:
    """The ticket as its facts tell it, now that one of them is another."""
    state = fold(messages.read_facts(tx, row.id))
    touched = seat_opener(tx, row.id, row, state)
    changed = write_state(tx, row, state, row.active_at)
    if touched or (row.deleted_at is None) != (state.deleted_at is None):
        before = SimpleNamespace(**row._mapping)
        type_, wire = _told(edit, before, changed)
        tell(tx, edit.origin(**_senders(changed), **wire), type_, changed, None, touched)
    return changed


def _complete(tx: Connection, row: Row[Any], at: int) -> Row[Any]:
    """Work out anew what follows from the rest of a ticket; its row, at a higher revision."""
    table = messages.messages
    replies = select(func.count()).where(table.c.ticket == row.id, table.c.kind == "reply")
    changed = tx.execute(
        update(tickets)
        .where(tickets.c.id == row.id)
        .values(
            messages=replies.scalar_subquery(),
            active_at=max(row.active_at, at),
            revision=tickets.c.revision + 1,
        )
        .returning(tickets)
    ).one()
    search_index.record_head(tx, changed)
    search_index.rewrite(tx, changed.id)
    make_findable(tx, changed.workspace, {changed.opener, changed.assignee})
    return changed


def _told(edit: Edit, before: Any, now: Row[Any]) -> tuple[str, dict[str, Any]]:  # noqa: ANN401
    """The event that tells most of what changed, and its fields."""
    if not _is_shown(before) and _is_shown(now):
        return "ticket.created", {
            "subject": now.subject or "",
            "openerId": _subject(now.opener),
            "openerUsername": _subject(now.opener),
        }
    if not _is_shown(now):
        return "ticket.deleted", {"deletedBy": BY_HAND}
    moved = {
        "oldStatus": to_wire(before.status, assigned=before.assignee is not None),
        "newStatus": to_wire(now.status, assigned=now.assignee is not None),
        "actorId": BY_HAND,
    }
    if now.status != before.status:
        return ("ticket.closed" if now.status in ENDED else "ticket.status_changed"), moved
    if now.assignee is not None and now.assignee != before.assignee:
        return "ticket.claimed", moved
    return "ticket.updated", {"changes": _changes(before, now), "actorId": BY_HAND}


def _changes(before: Any, now: Row[Any]) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = {}
    for name in ("subject", "priority"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            found[name] = {"old": old, "new": new}
    had, has = set(json.loads(before.tags)), set(json.loads(now.tags))
    if had != has:
        found["tags"] = {"added": sorted(has - had), "removed": sorted(had - has)}
    return found


def _tell_gone(tx: Connection, edit: Edit, row: Any, touched: list[str]) -> None:  # noqa: ANN401
    """Say that a ticket is not where `row` has it any more, to those who saw it there."""
    gone = (
        SimpleNamespace(**{**vars(row), "revision": row.revision + 1}) if edit.now is None else row
    )
    origin = edit.origin(**_senders(row), deletedBy=BY_HAND)
    tell(
        tx,
        origin,
        "ticket.deleted",
        gone,
        None,
        touched,
        hearers=audience(tx, row.workspace, row.id),
    )


def _is_shown(row: Any) -> bool:  # noqa: ANN401 - a row, or what is remembered of it
    return row is not None and row.deleted_at is None


def _senders(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row, or what is remembered of it
    """The sender's own names for a ticket."""
    kind, _, id_ = row.workspace.partition(":")
    guild = id_ if kind == "guild" else None
    return {"guildId": guild, "ticketId": row.sender_id, "ticketNumber": row.number}


def _subject(principal: Principal | None) -> str:
    return (principal or BY_HAND).removeprefix("discord:")
