"""What senders tell about tickets becomes rows and events, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from deskwire.accounts.identities import resolve_person_ids
from deskwire.events import channels, log
from deskwire.events.channels import Channel, is_organization
from deskwire.events.types.registry import EVENT_CLASS_BY_TYPE, FileShape, TicketEvent
from deskwire.kit.clock import Millis
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.tickets import messages
from deskwire.tickets.messages import AddedMessage, MessageFields
from deskwire.tickets.search_index import index_ticket
from deskwire.tickets.state import (
    DIRECT_EDIT_TYPE,
    Fact,
    TicketState,
    find_direct_edits,
    fold_facts,
)
from deskwire.tickets.statuses import ENDED_STATUSES, Status, to_wire_status
from deskwire.tickets.tables import participants, tickets
from deskwire.tickets.ticket import build_tickets
from deskwire.tickets.visibility import read_ticket_channels, read_visible_ticket_row_by_id
from deskwire.tickets.workspace_names import read_workspace_names
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.name_index import index_names
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, Origin, Principal


class _OpenerSnapshot(Protocol):
    """A ticket's row, or what is remembered of it."""

    opener: Principal | None
    deleted_at: Millis | None


_UPDATE_TICKET = (
    update(tickets)
    .where(tickets.c.id == bindparam("of"))
    .values(revision=tickets.c.revision + 1)
    .returning(tickets)
)


def record_direct_edit(
    tx: Connection, ticket_id: str, edit: Mapping[str, Any], at: Millis
) -> AddedMessage:
    """Keep what somebody wrote into a ticket's row as a fact, so that no older one undoes it."""
    return messages.insert_message(
        tx,
        MessageFields(
            ticket_id, "system", DIRECT_EDIT_TYPE, DIRECT_EDIT_ACTOR, at, {"edit": dict(edit)}
        ),
    )


def update_opener_participant(
    tx: Connection, ticket_id: str, previous: _OpenerSnapshot | None, state: TicketState
) -> list[Channel]:
    """Make the opener a participant; the channels of those whose access that changes."""
    before = previous.opener if previous is not None else None
    table, opener = participants, state.opener
    if before != opener:
        tx.execute(delete(table).where(table.c.ticket == ticket_id, table.c.role == "opener"))
    if before != opener and opener is not None:
        tx.execute(delete(table).where(table.c.ticket == ticket_id, table.c.principal == opener))
        tx.execute(insert(table).values(ticket=ticket_id, principal=opener, role="opener"))
    was_there = previous is not None and previous.deleted_at is None
    if before == opener and was_there == (state.deleted_at is None):
        return []
    return read_participant_channels(tx, ticket_id, before, opener)


def read_participant_channels(
    tx: Connection, ticket_id: str, *extra_principals: Principal | None
) -> list[Channel]:
    """The own channels of everybody who takes part in a ticket, and of `more`."""
    chosen = select(participants.c.principal).where(participants.c.ticket == ticket_id)
    everyone = {p for p in (*extra_principals, *tx.execute(chosen).scalars()) if p}
    return [channels.user(person) for person in sorted(resolve_person_ids(tx, everyone))]


def write_ticket_state(tx: Connection, row: Row[Any], state: TicketState, at: Millis) -> Row[Any]:
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
    return tx.execute(_UPDATE_TICKET, values).one()


def update_search_index(tx: Connection, before: Row[Any], row: Row[Any]) -> None:
    """From now on search finds the ticket by what its row says."""
    index_ticket(tx, row)
    index_names(tx, row.workspace, {row.opener, row.assignee} - {before.opener, before.assignee})


def record_ticket_event(
    tx: Connection,
    origin: Origin,
    type_: str,
    row: Any,  # noqa: ANN401 - a row, or what is remembered of one
    message: Any,  # noqa: ANN401 - of `messages`: a row, or what was just added; or None
    access_changes: Iterable[Channel] = (),
    *,
    event_channels: Iterable[Channel] | None = None,
    extra_channels: Iterable[Channel] = (),
    files: Sequence[FileShape] = (),
) -> None:
    """Append a ticket's event, with its state in `row` and what its timeline gains.

    `hearers`: who it is for, where that is not the ticket's audience as `row` has it; `and_to`:
    who else. `files`: those of the line.
    """
    if event_channels is None:
        # What is told late about a deleted ticket is kept, but would put it back on every screen.
        is_gone = row.deleted_at is not None and type_ != "ticket.deleted"
        event_channels = [] if is_gone else read_ticket_channels(tx, row.workspace, row.id)
    event_channels = [*event_channels, *extra_channels]
    names = read_names(tx, [row.opener, row.assignee, message.author if message else None])
    ticket = build_tickets([row], names, read_workspace_names(tx, [row]))[0]
    ours: dict[str, Any] = {
        "workspace": ticket.workspace,
        "actor": origin.actor,
        "ticket": ticket.id,
        "revision": ticket.revision,
        "now": ticket.now,
    }
    if message is not None:
        ours["line"] = messages.build_lines([message], names, {message.id: files})[0]
    if is_organization(row.workspace):
        ours["held"] = [each for each in event_channels if not each.startswith("user:")]
    kind = EVENT_CLASS_BY_TYPE[type_]
    if not issubclass(kind, TicketEvent):
        raise TypeError(f"{type_} is not an event of a ticket")
    event = kind.model_validate({**origin.wire_fields, **ours}, by_alias=True, by_name=False)
    log.append(
        tx, event, channels=event_channels, access_changes=access_changes, cause=origin.cause
    )


def lock_for_update(tx: Connection, actor: Actor, ticket_id: str) -> Row[Any]:
    """The row of a request the viewer may see, held until the transaction ends."""
    row = read_visible_ticket_row_by_id(tx, actor.viewer, ticket_id, for_update=True)
    if not is_organization(row.workspace):
        raise NotFound(gettext("There is no such request, or it is not shared with you."))
    return row


def record_status_change(tx: Connection, actor: Actor, row: Row[Any], status: Status) -> Row[Any]:
    """Record the new status of a held request; whether it may be was asked before."""
    ends, ended = status in ENDED_STATUSES, row.status in ENDED_STATUSES
    type_ = "ticket.closed" if ends else "ticket.reopened" if ended else "ticket.status_changed"
    values = {"status": status, "closed_at": actor.at if ends else None}
    assigned = row.assignee is not None
    wire = {
        "oldStatus": to_wire_status(row.status, is_assigned=assigned),
        "newStatus": to_wire_status(status, is_assigned=assigned),
        "actorId": actor.person_id,
    }
    return record_request_fact(tx, actor, row, type_, values, wire)


def record_request_fact(
    tx: Connection,
    actor: Actor,
    row: Row[Any],
    type_: str,
    values: dict[str, Any],
    wire_fields: Mapping[str, Any],
    *,
    display_values: Mapping[str, Any] | None = None,
) -> Row[Any]:
    """Add a fact to a held request, and tell of it; the row as it is now."""
    facts = messages.read_facts(tx, row.id)
    if edit := find_direct_edits(row, fold_facts(facts)):  # changed by hand a moment ago
        facts.append(
            Fact(
                DIRECT_EDIT_TYPE,
                record_direct_edit(tx, row.id, edit, actor.at).at,
                DIRECT_EDIT_ACTOR,
                {"edit": edit},
            )
        )
    at = max([actor.at, *(fact.at for fact in facts)])  # no clock may put it before another
    data = {"set": values, "noun": "request", "shown": dict(display_values or {})}
    draft = MessageFields(row.id, "system", type_, actor.person_id, at, data, origin="portal")
    line = messages.insert_message(tx, draft)
    state = fold_facts([*facts, Fact(type_, at, actor.person_id, data)])
    touched = update_opener_participant(tx, row.id, row, state)
    changed = write_ticket_state(tx, row, state, at)
    update_search_index(tx, row, changed)
    record_ticket_event(tx, actor.origin(**wire_fields), type_, changed, line, touched)
    return changed


def update_ticket_row(tx: Connection, row: Row[Any], **values: Any) -> Row[Any]:  # noqa: ANN401 - columns
    """The row at its next revision, with `values`."""
    changed = update(tickets).where(tickets.c.id == row.id)
    return tx.execute(
        changed.values(revision=tickets.c.revision + 1, **values).returning(tickets)
    ).one()
