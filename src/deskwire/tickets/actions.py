"""What senders tell about tickets becomes rows and events, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from deskwire.events import channels, log
from deskwire.events.catalogue import EVENTS, Attached, Side, TicketEvent
from deskwire.events.channels import Channel, Workspace
from deskwire.kit.clock import Millis, now
from deskwire.kit.db import is_shared
from deskwire.kit.ids import new_id
from deskwire.tickets import messages
from deskwire.tickets.facts import EDITED, Fact, State, edited, fold
from deskwire.tickets.messages import Added, Draft
from deskwire.tickets.places import is_request, read_places
from deskwire.tickets.tickets import (
    audience,
    named,
    participants,
    tickets,
)
from deskwire.tickets.words import record_head, record_reply
from deskwire.workspaces import guilds
from deskwire.workspaces.names import make_findable, persons_behind, read_names
from deskwire.workspaces.origin import BY_HAND, Origin, Principal


class _Opened(Protocol):
    """A ticket's row, or what is remembered of it."""

    opener: Principal | None
    deleted_at: Millis | None


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


def add_edit(tx: Connection, ticket_id: str, edit: Mapping[str, Any], at: Millis) -> Added:
    """Keep what somebody wrote into a ticket's row as a fact, so that no older one undoes it."""
    return messages.add(tx, Draft(ticket_id, "system", EDITED, BY_HAND, at, {"edit": dict(edit)}))


def seat_opener(tx: Connection, ticket_id: str, was: _Opened | None, now: State) -> list[Channel]:
    """Make the opener a participant; the channels of those whose access that changes."""
    before = was.opener if was is not None else None
    table, opener = participants, now.opener
    if before != opener:
        tx.execute(delete(table).where(table.c.ticket == ticket_id, table.c.role == "opener"))
    if before != opener and opener is not None:
        tx.execute(delete(table).where(table.c.ticket == ticket_id, table.c.principal == opener))
        tx.execute(insert(table).values(ticket=ticket_id, principal=opener, role="opener"))
    was_there = was is not None and was.deleted_at is None
    if before == opener and was_there == (now.deleted_at is None):
        return []
    return channels_of_people(tx, ticket_id, before, opener)


def channels_of_people(tx: Connection, ticket_id: str, *more: Principal | None) -> list[Channel]:
    """The own channels of everybody who takes part in a ticket, and of `more`."""
    chosen = select(participants.c.principal).where(participants.c.ticket == ticket_id)
    everyone = {p for p in (*more, *tx.execute(chosen).scalars()) if p}
    return [channels.user(person) for person in sorted(persons_behind(tx, everyone))]


def write_state(tx: Connection, row: Row[Any], state: State, at: Millis) -> Row[Any]:
    """Write what a ticket's facts say into its row; the row as it is now."""
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
        "category": state.category,
    }
    return tx.execute(_CHANGE, values).one()


def keep_findable(tx: Connection, before: Row[Any], row: Row[Any]) -> None:
    """From now on search finds the ticket by what its row says."""
    record_head(tx, row)
    make_findable(tx, row.workspace, {row.opener, row.assignee} - {before.opener, before.assignee})


def tell(
    tx: Connection,
    origin: Origin,
    type_: str,
    row: Any,  # noqa: ANN401 - a row, or what is remembered of one
    line: Any,  # noqa: ANN401 - of `messages`: a row, or what was just added; or None
    touched: Iterable[Channel] = (),
    *,
    hearers: Iterable[Channel] | None = None,
    and_to: Iterable[Channel] = (),
    files: Sequence[Attached] = (),
) -> None:
    """Append a ticket's event, with its state in `row` and what its timeline gains.

    `hearers`: who it is for, where that is not the ticket's audience as `row` has it; `and_to`:
    who else. `files`: those of the line.
    """
    if hearers is None:
        # What is told late about a deleted ticket is kept, but would put it back on every screen.
        is_gone = row.deleted_at is not None and type_ != "ticket.deleted"
        hearers = [] if is_gone else audience(tx, row.workspace, row.id)
    hearers = [*hearers, *and_to]
    names = read_names(tx, [row.opener, row.assignee, line.author if line else None])
    ticket = named([row], names, read_places(tx, [row]))[0]
    ours: dict[str, Any] = {
        "workspace": ticket.workspace,
        "actor": origin.actor,
        "ticket": ticket.id,
        "revision": ticket.revision,
        "now": ticket.now,
    }
    if line is not None:
        ours["line"] = messages.lines_of([line], names, {line.id: files})[0]
    if is_request(row.workspace):
        ours["held"] = [each for each in hearers if not each.startswith("user:")]
    kind = EVENTS[type_]
    if not issubclass(kind, TicketEvent):
        raise TypeError(f"{type_} is not an event of a ticket")
    event = kind.model_validate({**origin.wire, **ours}, by_alias=True, by_name=False)
    log.append(tx, event, channels=hearers, touches=touched, cause=origin.cause)
