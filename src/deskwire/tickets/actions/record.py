"""What senders tell about tickets becomes rows and events, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from deskwire.events import channels, log
from deskwire.events.channels import Channel, is_request
from deskwire.events.types.registry import EVENTS, Attached, TicketEvent
from deskwire.kit.clock import Millis
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.tickets import messages
from deskwire.tickets.messages import Added, Draft
from deskwire.tickets.search_index import record_head
from deskwire.tickets.state import EDITED, Fact, State, edited, fold
from deskwire.tickets.statuses import ENDED, Status, to_wire
from deskwire.tickets.tables import participants, tickets
from deskwire.tickets.ticket import named
from deskwire.tickets.visibility import audience, read_visible_id
from deskwire.tickets.workspace_names import read_places
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import make_findable, persons_behind, read_names
from deskwire.workspaces.origin import BY_HAND, Origin, Principal


class _Opened(Protocol):
    """A ticket's row, or what is remembered of it."""

    opener: Principal | None
    deleted_at: Millis | None


_CHANGE = (
    update(tickets)
    .where(tickets.c.id == bindparam("of"))
    .values(revision=tickets.c.revision + 1)
    .returning(tickets)
)


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


def hold(tx: Connection, deed: Deed, ticket_id: str) -> Row[Any]:
    """The row of a request the viewer may see, held until the transaction ends."""
    row = read_visible_id(tx, deed.viewer, ticket_id, hold=True)
    if not is_request(row.workspace):
        raise NotFound(gettext("There is no such request, or it is not shared with you."))
    return row


def set_status(tx: Connection, deed: Deed, row: Row[Any], status: Status) -> Row[Any]:
    """Record the new status of a held request; whether it may be was asked before."""
    ends, ended = status in ENDED, row.status in ENDED
    type_ = "ticket.closed" if ends else "ticket.reopened" if ended else "ticket.status_changed"
    values = {"status": status, "closed_at": deed.at if ends else None}
    assigned = row.assignee is not None
    wire = {
        "oldStatus": to_wire(row.status, assigned=assigned),
        "newStatus": to_wire(status, assigned=assigned),
        "actorId": deed.person,
    }
    return record(tx, deed, row, type_, values, wire)


def record(
    tx: Connection,
    deed: Deed,
    row: Row[Any],
    type_: str,
    values: dict[str, Any],
    wire: Mapping[str, Any],
    *,
    shown: Mapping[str, Any] | None = None,
) -> Row[Any]:
    """Add a fact to a held request, and tell of it; the row as it is now."""
    facts = messages.read_facts(tx, row.id)
    if edit := edited(row, fold(facts)):  # changed by hand a moment ago
        facts.append(Fact(EDITED, add_edit(tx, row.id, edit, deed.at).at, BY_HAND, {"edit": edit}))
    at = max([deed.at, *(fact.at for fact in facts)])  # no clock may put it before another
    data = {"set": values, "noun": "request", "shown": dict(shown or {})}
    draft = Draft(row.id, "system", type_, deed.person, at, data, origin="portal")
    line = messages.add(tx, draft)
    state = fold([*facts, Fact(type_, at, deed.person, data)])
    touched = seat_opener(tx, row.id, row, state)
    changed = write_state(tx, row, state, at)
    keep_findable(tx, row, changed)
    tell(tx, deed.origin(**wire), type_, changed, line, touched)
    return changed


def raised(tx: Connection, row: Row[Any], **values: Any) -> Row[Any]:  # noqa: ANN401 - columns
    """The row at its next revision, with `values`."""
    changed = update(tickets).where(tickets.c.id == row.id)
    return tx.execute(
        changed.values(revision=tickets.c.revision + 1, **values).returning(tickets)
    ).one()
