"""Read one ticket with its timeline and participants, in four statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from deskwire.events.access import Viewer
from deskwire.events.channels import Workspace
from deskwire.events.types.registry import Line, PrincipalRef
from deskwire.kit.rows import fetch_all
from deskwire.tickets import messages
from deskwire.tickets.tables import ParticipantRow, participants
from deskwire.tickets.ticket import Ticket, build_tickets
from deskwire.tickets.visibility import read_visible_ticket_row
from deskwire.workspaces.names import read_names


@dataclass(frozen=True, slots=True)
class TicketDetail:
    """What a ticket's page shows of the ticket."""

    ticket: Ticket
    lines: list[Line]
    participants: list[tuple[PrincipalRef, str]]  # with their role in it, the opener first


def read_ticket_detail(
    tx: Connection, viewer: Viewer, workspace: Workspace, number: int
) -> TicketDetail:
    """Read a ticket by its number. Raises NotFound unless the viewer may see it."""
    row = read_visible_ticket_row(tx, viewer, workspace, number)
    entries = messages.read_timeline_rows(tx, row.id)
    participant_rows = read_participants(tx, row.id)
    principals = [row.opener, row.assignee, *(entry.author for entry in entries)]
    names = read_names(tx, [*principals, *(each.principal for each in participant_rows)])
    return TicketDetail(
        build_tickets([row], names)[0],
        messages.build_lines(entries, names),
        [(names[each.principal], each.role) for each in participant_rows],
    )


def read_participants(tx: Connection, ticket_id: str) -> Sequence[ParticipantRow]:
    """Read who takes part in a ticket, its opener first."""
    query = (
        select(participants)
        .where(participants.c.ticket == ticket_id)
        .order_by(participants.c.role != "opener", participants.c.principal)
    )
    return fetch_all(tx, query, ParticipantRow)
