"""Record what senders report about a ticket: facts and messages, in any order."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection, bindparam, func, insert, select

from deskwire.events import channels
from deskwire.events.channels import Channel, Workspace
from deskwire.events.types.registry import AuthorKind
from deskwire.kit.clock import now
from deskwire.kit.db import is_postgresql
from deskwire.kit.ids import new_id
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.tickets import messages
from deskwire.tickets.actions.record import (
    UPDATE_TICKET,
    add_author,
    read_facts_with_edits,
    record_ticket_event,
    update_opener_participant,
    update_search_index,
    write_ticket_state,
)
from deskwire.tickets.messages import MessageFields
from deskwire.tickets.prepared_text import PreparedText
from deskwire.tickets.search_index import index_reply, index_ticket
from deskwire.tickets.state import Fact, fold_facts
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.origin import Origin


def ingest_fact(
    tx: Connection, origin: Origin, type_: str, guild_id: str, sender_id: int, number: int
) -> None:
    """Record an event of a guild's ticket from the sender's own fields (`origin.wire_fields`).

    Events may arrive in any order, at any time.
    """
    row = _get_or_create_ticket(tx, origin, guild_id, sender_id, number)
    facts = read_facts_with_edits(tx, row, now())
    draft = MessageFields(
        row.id, "system", type_, origin.actor, origin.at, dict(origin.wire_fields)
    )
    line = messages.insert_message(tx, draft)
    state = fold_facts([*facts, Fact(type_, origin.at, origin.actor, origin.wire_fields)])
    access_changes = update_opener_participant(tx, row.id, row, state)
    changed = write_ticket_state(tx, row, state, origin.at)
    update_search_index(tx, row, changed)
    if type_ == "ticket.deleted" and changed.deleted_at is None:
        # A direct edit has restored it since: its pages gain a line and stay.
        wire = {**origin.wire_fields, "changes": {}, "actorId": origin.wire_fields["deletedBy"]}
        type_, origin = "ticket.updated", replace(origin, wire_fields=wire)
    record_ticket_event(tx, origin, type_, changed, line, access_changes)


def ingest_message(
    tx: Connection,
    origin: Origin,
    *,
    guild_id: str,
    sender_id: int,
    number: int,
    message_id: str,
    side: AuthorKind,
    text: PreparedText | None,
) -> bool:
    """Record a message in a guild's ticket; return False if it is there already."""
    row = _get_or_create_ticket(tx, origin, guild_id, sender_id, number)
    if messages.has_sender_message(tx, row.id, message_id):
        return False
    draft = MessageFields(
        row.id,
        "reply",
        "ticket.message_sent",
        origin.actor,
        origin.at,
        {k: v for k, v in origin.wire_fields.items() if k != "content"},
        side,
        message_id,
        None if text is None else text.text,
        prepared=text,
    )
    line = messages.insert_message(tx, draft)
    index_reply(tx, row, () if text is None else text.words)
    access_changes: list[Channel] = []
    if row.opener is None and side == "customer":
        access_changes = add_author(tx, row.id, origin.actor)
    values = {"ticket_id": row.id, "active_at": max(row.active_at, origin.at)}
    if origin.at >= (row.spoken_at or 0):
        values |= {"spoken_at": origin.at, "spoken_by": origin.actor}
    if row.opener is None:  # its creation has not been reported yet
        values["opened_at"] = min(row.opened_at, origin.at)
    changed = fetch_one(tx, _INCREMENT_MESSAGES, TicketRow, values)
    record_ticket_event(tx, origin, "ticket.message_sent", changed, line, access_changes)
    return True


_INCREMENT_MESSAGES = UPDATE_TICKET.values(messages=tickets.c.messages + 1)


def _get_or_create_ticket(
    tx: Connection, origin: Origin, guild_id: str, sender_id: int, number: int
) -> TicketRow:
    """Lock the ticket's row until the transaction ends; create it if the ticket is unknown."""
    workspace = channels.guild(guild_id)
    if (row := _find_ticket_for_update(tx, workspace, sender_id)) is not None:
        return row
    guilds.ensure_guild(tx, origin, guild_id)
    if is_postgresql(tx) and (row := _find_ticket_for_update(tx, workspace, sender_id)) is not None:
        return row  # created while we waited for the guild
    tx.execute(
        insert(tickets).values(
            id=new_id(),
            workspace=workspace,
            number=_choose_number(tx, workspace, number),
            sender_id=sender_id,
            status="new",
            tags="[]",
            messages=0,
            opened_at=origin.at,
            active_at=origin.at,
            revision=1,
        )
    )
    row = fetch_one(tx, _SELECT_BY_SENDER_ID, TicketRow, _sender_key(workspace, sender_id))
    index_ticket(tx, row)
    return row


def _find_ticket_for_update(
    tx: Connection, workspace: Workspace, sender_id: int
) -> TicketRow | None:
    parameters = _sender_key(workspace, sender_id)
    return fetch_first(tx, _SELECT_BY_SENDER_ID_FOR_UPDATE, TicketRow, parameters)


def _sender_key(workspace: Workspace, sender_id: int) -> dict[str, object]:
    return {"ticket_workspace": workspace, "ticket_sender_id": sender_id}


_SELECT_BY_SENDER_ID = select(tickets).where(
    tickets.c.workspace == bindparam("ticket_workspace"),
    tickets.c.sender_id == bindparam("ticket_sender_id"),
)


# SQLite ignores FOR UPDATE: its one writer needs no lock.
_SELECT_BY_SENDER_ID_FOR_UPDATE = _SELECT_BY_SENDER_ID.with_for_update()


def _choose_number(tx: Connection, workspace: Workspace, number: int) -> int:
    """Return the sender's number, so that both sides show the same, or the next if it is taken."""
    is_in_workspace = tickets.c.workspace == workspace
    taken = select(tickets.c.id).where(is_in_workspace, tickets.c.number == number)
    if tx.execute(taken).first() is None:
        return number
    highest = select(func.max(tickets.c.number)).where(is_in_workspace)
    return int(tx.execute(highest).scalar_one()) + 1
