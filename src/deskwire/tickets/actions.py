"""What senders tell about tickets becomes rows and events, in one transaction."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from deskwire.events import channels, log
from deskwire.events.catalogue import EVENTS, Side, TicketEvent
from deskwire.events.channels import Channel, Workspace
from deskwire.kit.clock import Millis
from deskwire.kit.db import is_shared
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.facts import State, fold
from deskwire.tickets.messages import Added, Draft
from deskwire.tickets.tickets import audience, named, participants, tickets
from deskwire.tickets.words import record_head, record_reply
from deskwire.workspaces import guilds
from deskwire.workspaces.names import make_findable, read_names, read_people
from deskwire.workspaces.origin import Origin, Principal


def record_fact(
    tx: Connection, origin: Origin, type_: str, guild_id: str, sender_id: int, number: int
) -> None:
    """Something happened to a guild's ticket, as `origin.wire` tells; in any order, any time."""
    row = _ensure(tx, origin.at, guild_id, sender_id, number)
    draft = Draft(row.id, "system", type_, origin.actor, origin.at, dict(origin.wire))
    line = messages.add(tx, draft)
    state = fold(messages.read_facts(tx, row.id))
    touched = _seat_opener(tx, row, state)
    changed = _write_state(tx, row, state, origin.at)
    _keep_findable(tx, row, changed)
    _append(tx, origin, type_, changed, line, touched)


def record_message(
    tx: Connection,
    origin: Origin,
    *,
    guild_id: str,
    sender_id: int,
    number: int,
    message_id: str,
    side: Side,
    text: str | None,
) -> None:
    """Somebody wrote in a guild's ticket; the same message again changes nothing."""
    row = _ensure(tx, origin.at, guild_id, sender_id, number)
    if messages.is_known(tx, row.id, message_id):
        return
    draft = Draft(
        row.id,
        "reply",
        "ticket.message_sent",
        origin.actor,
        origin.at,
        {k: v for k, v in origin.wire.items() if k != "content"},
        side,
        message_id,
        text,
    )
    line = messages.add(tx, draft)
    record_reply(tx, row, text)
    values = {"of": row.id, "active_at": max(row.active_at, origin.at)}
    if row.opener is None:  # nothing has told yet when it was opened
        values["opened_at"] = min(row.opened_at, origin.at)
    _append(tx, origin, "ticket.message_sent", tx.execute(_COUNT, values).one(), line, [])


_CHANGE = (
    update(tickets)
    .where(tickets.c.id == bindparam("of"))
    .values(revision=tickets.c.revision + 1)
    .returning(tickets)
)
_COUNT = _CHANGE.values(messages=tickets.c.messages + 1)


def _ensure(tx: Connection, at: Millis, guild_id: str, sender_id: int, number: int) -> Row[Any]:
    """The ticket's row, made from the little we know if this is the first we hear of it.

    Until the transaction ends nobody else changes anything of this ticket.
    """
    workspace = channels.guild(guild_id)
    if (row := _find(tx, workspace, sender_id)) is not None:
        return row
    guilds.ensure(tx, guild_id, at)
    if is_shared(tx) and (row := _find(tx, workspace, sender_id)) is not None:
        return row  # made while we waited for the guild
    tx.execute(
        insert(tickets).values(
            id=new_id(),
            workspace=workspace,
            number=_free_number(tx, workspace, number),
            sender_id=sender_id,
            status="new",
            tags="[]",
            messages=0,
            opened_at=at,
            active_at=at,
            revision=0,
        )
    )
    row = tx.execute(_OF_SENDER, {"here": workspace, "senders": sender_id}).one()
    record_head(tx, row)
    return row


def _find(tx: Connection, workspace: Workspace, sender_id: int) -> Row[Any] | None:
    return tx.execute(_HELD, {"here": workspace, "senders": sender_id}).one_or_none()


_OF_SENDER = select(tickets).where(
    tickets.c.workspace == bindparam("here"), tickets.c.sender_id == bindparam("senders")
)
_HELD = _OF_SENDER.with_for_update()  # means nothing to SQLite, whose one writer needs no lock


def _free_number(tx: Connection, workspace: Workspace, number: int) -> int:
    """The sender's number, so that both sides say the same, or the next one if it is taken."""
    here = tickets.c.workspace == workspace
    if tx.execute(select(tickets.c.id).where(here, tickets.c.number == number)).first() is None:
        return number
    return int(tx.execute(select(func.max(tickets.c.number)).where(here)).scalar_one()) + 1


def _seat_opener(tx: Connection, row: Row[Any], state: State) -> list[Channel]:
    """Make the opener a participant; the channels of those whose access that changes."""
    was, now = row.opener, state.opener
    if now is not None and was != now:
        table = participants
        tx.execute(delete(table).where(table.c.ticket == row.id, table.c.role == "opener"))
        tx.execute(delete(table).where(table.c.ticket == row.id, table.c.principal == now))
        tx.execute(insert(table).values(ticket=row.id, principal=now, role="opener"))
    if was == now and (state.deleted_at is None) == (row.deleted_at is None):
        return []
    everyone = {p for p in (was, now, *_participants(tx, row.id)) if p}
    return [channels.user(person) for person in read_people(tx, everyone).values()]


def _participants(tx: Connection, ticket_id: str) -> list[Principal]:
    chosen = select(participants.c.principal).where(participants.c.ticket == ticket_id)
    return list(tx.execute(chosen).scalars())


def _write_state(tx: Connection, row: Row[Any], state: State, at: Millis) -> Row[Any]:
    opened_at = state.opened_at if state.opened_at is not None else min(row.opened_at, at)
    values = {
        "of": row.id,
        "subject": state.subject,
        "opener": state.opener,
        "status": state.status,
        "assignee": state.assignee,
        "priority": state.priority,
        "tags": json.dumps(sorted(state.tags), ensure_ascii=False),
        "opened_at": opened_at,
        "active_at": max(row.active_at, at),
        "closed_at": state.closed_at,
        "deleted_at": state.deleted_at,
    }
    return tx.execute(_CHANGE, values).one()


def _keep_findable(tx: Connection, before: Row[Any], row: Row[Any]) -> None:
    record_head(tx, row)
    people = {row.opener, row.assignee} - {before.opener, before.assignee}
    make_findable(tx, row.workspace, people)


def _append(
    tx: Connection,
    origin: Origin,
    type_: str,
    row: Row[Any],
    line: Added,
    touched: list[Channel],
) -> None:
    names = read_names(tx, [row.opener, row.assignee, line.author])
    ticket = named([row], names)[0]
    ours: dict[str, Any] = {
        "workspace": ticket.workspace,
        "actor": origin.actor,
        "ticket": ticket.id,
        "revision": ticket.revision,
        "now": ticket.now,
        "line": messages.lines_of([line], names)[0],
    }
    kind = EVENTS[type_]
    if not issubclass(kind, TicketEvent):
        raise TypeError(f"{type_} is not an event of a ticket")
    event = kind.model_validate({**origin.wire, **ours}, by_alias=True, by_name=False)
    # What is told late about a deleted ticket is kept, but would put it back on every screen.
    is_gone = row.deleted_at is not None and type_ != "ticket.deleted"
    hearers = [] if is_gone else audience(ticket.workspace, ticket.id)
    log.append(tx, event, channels=hearers, touches=touched, cause=origin.cause)
