"""Record what senders report about a ticket: facts and messages, in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select

from deskwire.events import channels
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import AuthorKind
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import is_postgresql
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.actions.record import (
    _UPDATE_TICKET,
    record_direct_edit,
    record_ticket_event,
    update_opener_participant,
    update_search_index,
    write_ticket_state,
)
from deskwire.tickets.messages import MessageFields
from deskwire.tickets.search_index import index_reply, index_ticket
from deskwire.tickets.state import DIRECT_EDIT_TYPE, Fact, find_direct_edits, fold_facts
from deskwire.tickets.tables import tickets
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, Origin


def ingest_fact(
    tx: Connection, origin: Origin, type_: str, guild_id: str, sender_id: int, number: int
) -> None:
    """Something happened to a guild's ticket, as `origin.wire` tells; in any order, any time."""
    row = _get_or_create_ticket(tx, origin.at, guild_id, sender_id, number)
    facts = messages.read_facts(tx, row.id)
    # Who changed the row by hand meanwhile holds no lock of ours: the note may still be on its way.
    if edit := find_direct_edits(row, fold_facts(facts)):
        facts.append(
            Fact(
                DIRECT_EDIT_TYPE,
                record_direct_edit(tx, row.id, edit, now()).at,
                DIRECT_EDIT_ACTOR,
                {"edit": edit},
            )
        )
    draft = MessageFields(
        row.id, "system", type_, origin.actor, origin.at, dict(origin.wire_fields)
    )
    line = messages.insert_message(tx, draft)
    state = fold_facts([*facts, Fact(type_, origin.at, origin.actor, origin.wire_fields)])
    touched = update_opener_participant(tx, row.id, row, state)
    changed = write_ticket_state(tx, row, state, origin.at)
    update_search_index(tx, row, changed)
    if type_ == "ticket.deleted" and changed.deleted_at is None:
        # It was brought back by hand since: its pages gain a line, and go on.
        wire = {**origin.wire_fields, "changes": {}, "actorId": origin.wire_fields["deletedBy"]}
        type_, origin = "ticket.updated", replace(origin, wire_fields=wire)
    record_ticket_event(tx, origin, type_, changed, line, touched)


def ingest_message(
    tx: Connection,
    origin: Origin,
    *,
    guild_id: str,
    sender_id: int,
    number: int,
    message_id: str,
    side: AuthorKind,
    text: str | None,
) -> None:
    """Somebody wrote in a guild's ticket; the same message again changes nothing."""
    row = _get_or_create_ticket(tx, origin.at, guild_id, sender_id, number)
    if messages.has_sender_message(tx, row.id, message_id):
        return
    draft = MessageFields(
        row.id,
        "reply",
        "ticket.message_sent",
        origin.actor,
        origin.at,
        {k: v for k, v in origin.wire_fields.items() if k != "content"},
        side,
        message_id,
        text,
    )
    line = messages.insert_message(tx, draft)
    index_reply(tx, row, text)
    values = {"of": row.id, "active_at": max(row.active_at, origin.at)}
    if origin.at >= (row.spoken_at or 0):
        values |= {"spoken_at": origin.at, "spoken_by": origin.actor}
    if row.opener is None:  # nothing has told yet when it was opened
        values["opened_at"] = min(row.opened_at, origin.at)
    record_ticket_event(
        tx, origin, "ticket.message_sent", tx.execute(_INCREMENT_MESSAGES, values).one(), line
    )


_INCREMENT_MESSAGES = _UPDATE_TICKET.values(messages=tickets.c.messages + 1)


def _get_or_create_ticket(
    tx: Connection, at: Millis, guild_id: str, sender_id: int, number: int
) -> Row[Any]:
    """The ticket's row, made from the little we know if this is the first we hear of it.

    Until the transaction ends nobody else changes anything of this ticket.
    """
    workspace = channels.guild(guild_id)
    if (row := _find_ticket_for_update(tx, workspace, sender_id)) is not None:
        return row
    guilds.ensure_guild(tx, guild_id, at)
    if is_postgresql(tx) and (row := _find_ticket_for_update(tx, workspace, sender_id)) is not None:
        return row  # made while we waited for the guild
    tx.execute(
        insert(tickets).values(
            id=new_id(),
            workspace=workspace,
            number=_choose_number(tx, workspace, number),
            sender_id=sender_id,
            status="new",
            tags="[]",
            messages=0,
            opened_at=at,
            active_at=at,
            revision=1,
        )
    )
    row = tx.execute(_SELECT_BY_SENDER_ID, {"here": workspace, "senders": sender_id}).one()
    index_ticket(tx, row)
    return row


def _find_ticket_for_update(
    tx: Connection, workspace: Workspace, sender_id: int
) -> Row[Any] | None:
    return tx.execute(
        _SELECT_BY_SENDER_ID_FOR_UPDATE, {"here": workspace, "senders": sender_id}
    ).one_or_none()


_SELECT_BY_SENDER_ID = select(tickets).where(
    tickets.c.workspace == bindparam("here"), tickets.c.sender_id == bindparam("senders")
)


# SQLite ignores FOR UPDATE: its one writer needs no lock.
_SELECT_BY_SENDER_ID_FOR_UPDATE = _SELECT_BY_SENDER_ID.with_for_update()


def _choose_number(tx: Connection, workspace: Workspace, number: int) -> int:
    """The sender's number, so that both sides say the same, or the next one if it is taken."""
    here = tickets.c.workspace == workspace
    if tx.execute(select(tickets.c.id).where(here, tickets.c.number == number)).first() is None:
        return number
    return int(tx.execute(select(func.max(tickets.c.number)).where(here)).scalar_one()) + 1
