"""Record what happens to a ticket: fact, row, search index and event, in one transaction.

The other actions build on these functions and do not know each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from deskwire.accounts.identities import resolve_person_ids
from deskwire.events import channels, log
from deskwire.events.channels import Channel, is_organization
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE, FileShape, TicketEvent
from deskwire.kit.clock import Millis
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_one
from deskwire.tickets import messages
from deskwire.tickets.field_changes import FieldChange, build_status_change
from deskwire.tickets.messages import AddedMessage, MessageFields, MessageRow
from deskwire.tickets.search_index import index_ticket
from deskwire.tickets.state import (
    DIRECT_EDIT_TYPE,
    Fact,
    TicketState,
    find_direct_edits,
    fold_facts,
    list_request_only_columns,
)
from deskwire.tickets.statuses import Status
from deskwire.tickets.tables import TicketRow, participants, tickets
from deskwire.tickets.ticket import build_tickets, withhold_content
from deskwire.tickets.visibility import read_ticket_channels, read_visible_ticket_row_by_id
from deskwire.tickets.workspace_names import read_workspace_names
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.name_index import index_names
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, Origin, Principal

UPDATE_TICKET = (
    update(tickets)
    .where(tickets.c.id == bindparam("ticket_id"))
    .values(revision=tickets.c.revision + 1)
    .returning(tickets)
)


def record_direct_edit(
    tx: Connection, ticket_id: str, edit: Mapping[str, Any], at: Millis
) -> AddedMessage:
    """Store a direct edit of a ticket's row as a fact, so that no older fact undoes it."""
    return messages.insert_message(
        tx,
        MessageFields(
            ticket_id, "system", DIRECT_EDIT_TYPE, DIRECT_EDIT_ACTOR, at, {"edit": dict(edit)}
        ),
    )


def update_opener_participant(
    tx: Connection, ticket_id: str, previous: TicketRow | None, state: TicketState
) -> list[Channel]:
    """Make the opener a participant, or the authors while it is unknown who opened the ticket.

    Returns the channels of the people whose access changes.
    """
    before, opener = previous.opener if previous is not None else None, state.opener
    former: Sequence[Principal] = ()
    if before != opener:
        former = tx.execute(_DELETE_REPLACED, {"of": ticket_id, "now": opener}).scalars().all()
        role = "opener" if opener else "author"
        for principal in [opener] if opener else _read_authors(tx, ticket_id):
            row = {"ticket": ticket_id, "principal": principal, "role": role}
            tx.execute(_INSERT_PARTICIPANT, row)
    existed = previous is not None and previous.deleted_at is None
    if before == opener and existed == (state.deleted_at is None):
        return []
    return read_participant_channels(tx, ticket_id, before, opener, *former)


_DELETE_REPLACED = (
    delete(participants)
    .where(
        participants.c.ticket == bindparam("of"),
        or_(
            participants.c.role.in_(("opener", "author")),
            participants.c.principal == bindparam("now"),
        ),
    )
    .returning(participants.c.principal)
)
_INSERT_PARTICIPANT = insert(participants)


def _read_authors(tx: Connection, ticket_id: str) -> Sequence[Principal]:
    """Return the customers who have written in a ticket."""
    table = messages.messages
    query = select(table.c.author).where(table.c.ticket == ticket_id, table.c.side == "customer")
    return tx.execute(query.distinct()).scalars().all()


def add_author(tx: Connection, ticket_id: str, author: Principal) -> list[Channel]:
    """Let a customer who writes take part in a ticket of which it is unknown who opened it.

    Returns their own channel if that gives them access. Some tickets are never reported as created,
    and their opener would not see them.
    """
    table = participants
    query = select(table.c.role).where(table.c.ticket == ticket_id, table.c.principal == author)
    if tx.execute(query).first() is not None:
        return []
    tx.execute(insert(table).values(ticket=ticket_id, principal=author, role="author"))
    return _read_own_channels(tx, {author})


def read_participant_channels(
    tx: Connection, ticket_id: str, *extra_principals: Principal | None
) -> list[Channel]:
    """Return the personal channels of a ticket's participants and of `extra_principals`."""
    found = tx.execute(_SELECT_PARTICIPANTS, {"of": ticket_id}).scalars()
    everyone = {p for p in (*extra_principals, *found) if p}
    return _read_own_channels(tx, everyone)


def _read_own_channels(tx: Connection, principals: set[Principal]) -> list[Channel]:
    """Return the own channels of API keys, and of those principals that have an account."""
    keys = {principal for principal in principals if channels.is_key(principal)}
    people = resolve_person_ids(tx, principals - keys)
    return [channels.own_channel(subject) for subject in sorted({*people, *keys})]


_SELECT_PARTICIPANTS = select(participants.c.principal).where(
    participants.c.ticket == bindparam("of")
)


def write_ticket_state(tx: Connection, row: TicketRow, state: TicketState, at: Millis) -> TicketRow:
    """Write the state that a ticket's facts describe into its row. Return the new row."""
    values = {
        "ticket_id": row.id,
        "subject": state.subject,
        "opener": state.opener,
        "status": state.status,
        "assignee": state.assignee,
        "priority": state.priority,
        "tags": json.dumps(sorted(state.tags), ensure_ascii=False),
        "opened_at": state.opened_at if state.opened_at is not None else min(row.opened_at, at),
        "active_at": max(row.active_at, at),
        "closed_at": state.closed_at,
        "deleted_at": state.deleted_at,
        **{name: state.request_values.get(name) for name in list_request_only_columns()},
    }
    return fetch_one(tx, UPDATE_TICKET, TicketRow, values)


def update_search_index(tx: Connection, before: TicketRow, row: TicketRow) -> None:
    """Index the ticket's new row, and the names of people who are new in it."""
    index_ticket(tx, row)
    index_names(tx, row.workspace, {row.opener, row.assignee} - {before.opener, before.assignee})


def record_ticket_event(
    tx: Connection,
    origin: Origin,
    type_: str,
    row: TicketRow,
    message: MessageRow | AddedMessage | None,
    access_changes: Iterable[Channel] = (),
    *,
    event_channels: Iterable[Channel] | None = None,
    files: Sequence[FileShape] = (),
) -> None:
    """Append a ticket's event with its state in `row` and the new line of its timeline.

    `event_channels` replace the channels that follow from `row`. `files` belong to the message.
    Raises TypeError if `type_` is no event of a ticket.
    """
    if event_channels is None:
        # The event of a late fact about a deleted ticket would put it back on every screen.
        is_late = row.deleted_at is not None and type_ != "ticket.deleted"
        event_channels = [] if is_late else read_ticket_channels(tx, row.workspace, row.id)
    names = read_names(tx, [row.opener, row.assignee, message.author if message else None])
    ticket = build_tickets([row], names, read_workspace_names(tx, [row]))[0]
    own_fields: dict[str, Any] = {
        "workspace": ticket.workspace,
        "actor": origin.actor,
        "ticket": ticket.id,
        "revision": ticket.revision,
        "now": withhold_content(ticket.now) if type_ == "ticket.deleted" else ticket.now,
    }
    if message is not None:
        own_fields["line"] = messages.build_lines([message], names, {message.id: files})[0]
    if is_organization(row.workspace):
        own_fields["held"] = list(event_channels)
    event_class = EVENT_CLASS_BY_TYPE[type_]
    if not issubclass(event_class, TicketEvent):
        raise TypeError(f"{type_} is not an event of a ticket")
    fields = {**origin.wire_fields, **own_fields}
    event = event_class.model_validate(fields, by_alias=True, by_name=False)
    log.append(
        tx, event, channels=event_channels, access_changes=access_changes, cause=origin.cause
    )


def lock_for_update(tx: Connection, actor: Actor, ticket_id: str) -> TicketRow:
    """Lock the row of a request the viewer may see. Raises NotFound if they may not."""
    row = read_visible_ticket_row_by_id(tx, actor.viewer, ticket_id, for_update=True)
    if not is_organization(row.workspace):
        raise NotFound(gettext("This request doesn’t exist, or you don’t have access to it."))
    return row


def record_status_change(tx: Connection, actor: Actor, row: TicketRow, status: Status) -> TicketRow:
    """Record the new status of a locked request; the caller has checked that it is allowed."""
    return record_field_change(tx, actor, row, build_status_change(actor, row, status))


def record_field_change(
    tx: Connection, actor: Actor, row: TicketRow, change: FieldChange
) -> TicketRow:
    """Record the change of a field of a locked request. Return the new row."""
    return record_request_fact(
        tx,
        actor,
        row,
        change.type,
        change.values,
        change.wire_fields,
        display_values=change.display_values,
    )


def record_request_fact(
    tx: Connection,
    actor: Actor,
    row: TicketRow,
    type_: str,
    values: dict[str, Any],
    wire_fields: Mapping[str, Any],
    *,
    display_values: Mapping[str, Any] | None = None,
) -> TicketRow:
    """Add a fact to a locked request and append its event. Return the new row.

    `values` are the columns it sets, `display_values` the names behind ids in them.
    """
    facts = read_facts_with_edits(tx, row, actor.at)
    at = max([actor.at, *(fact.at for fact in facts)])  # last, even if a clock is wrong
    data = {"set": values, "noun": "request", "shown": dict(display_values or {})}
    draft = MessageFields(row.id, "system", type_, actor.subject, at, data, origin="portal")
    line = messages.insert_message(tx, draft)
    state = fold_facts([*facts, Fact(type_, at, actor.subject, data)])
    access_changes = update_opener_participant(tx, row.id, row, state)
    changed = write_ticket_state(tx, row, state, at)
    update_search_index(tx, row, changed)
    record_ticket_event(tx, actor.origin(**wire_fields), type_, changed, line, access_changes)
    return changed


def read_facts_with_edits(tx: Connection, row: TicketRow, at: Millis) -> list[Fact]:
    """Return the facts about a ticket; record a direct edit that is still unprocessed as one.

    A direct edit takes no lock of ours, so the change log may not have it yet.
    """
    facts = messages.read_facts(tx, row.id)
    if edit := find_direct_edits(row, fold_facts(facts)):
        line = record_direct_edit(tx, row.id, edit, at)
        facts.append(Fact(DIRECT_EDIT_TYPE, line.at, DIRECT_EDIT_ACTOR, {"edit": edit}))
    return facts


def update_ticket_row(
    tx: Connection,
    row: TicketRow,
    **values: Any,  # noqa: ANN401 - columns
) -> TicketRow:
    """Set columns of a ticket and raise its revision. Return the new row."""
    query = update(tickets).where(tickets.c.id == row.id)
    values["revision"] = tickets.c.revision + 1
    return fetch_one(tx, query.values(**values).returning(tickets), TicketRow)
