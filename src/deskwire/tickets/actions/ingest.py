"""Record what senders report about a ticket: facts and messages, in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select

from deskwire.events import channels
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import Side
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import is_shared
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.actions.record import (
    _CHANGE,
    add_edit,
    keep_findable,
    seat_opener,
    tell,
    write_state,
)
from deskwire.tickets.messages import Draft
from deskwire.tickets.search_index import record_head, record_reply
from deskwire.tickets.state import EDITED, Fact, edited, fold
from deskwire.tickets.tables import tickets
from deskwire.workspaces.guilds import guilds
from deskwire.workspaces.origin import BY_HAND, Origin


def record_fact(
    tx: Connection, origin: Origin, type_: str, guild_id: str, sender_id: int, number: int
) -> None:
    """Something happened to a guild's ticket, as `origin.wire` tells; in any order, any time."""
    row = _ensure(tx, origin.at, guild_id, sender_id, number)
    facts = messages.read_facts(tx, row.id)
    # Who changed the row by hand meanwhile holds no lock of ours: the note may still be on its way.
    if edit := edited(row, fold(facts)):
        facts.append(Fact(EDITED, add_edit(tx, row.id, edit, now()).at, BY_HAND, {"edit": edit}))
    draft = Draft(row.id, "system", type_, origin.actor, origin.at, dict(origin.wire))
    line = messages.add(tx, draft)
    state = fold([*facts, Fact(type_, origin.at, origin.actor, origin.wire)])
    touched = seat_opener(tx, row.id, row, state)
    changed = write_state(tx, row, state, origin.at)
    keep_findable(tx, row, changed)
    if type_ == "ticket.deleted" and changed.deleted_at is None:
        # It was brought back by hand since: its pages gain a line, and go on.
        wire = {**origin.wire, "changes": {}, "actorId": origin.wire["deletedBy"]}
        type_, origin = "ticket.updated", replace(origin, wire=wire)
    tell(tx, origin, type_, changed, line, touched)


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
    if origin.at >= (row.spoken_at or 0):
        values |= {"spoken_at": origin.at, "spoken_by": origin.actor}
    if row.opener is None:  # nothing has told yet when it was opened
        values["opened_at"] = min(row.opened_at, origin.at)
    tell(tx, origin, "ticket.message_sent", tx.execute(_COUNT, values).one(), line)


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
            revision=1,
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
