"""A conversation: a ticket with its timeline and who takes part, read in four statements."""

from __future__ import annotations

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
    """All that a ticket's page shows of the ticket."""

    ticket: Ticket
    lines: list[Line]
    participants: list[tuple[PrincipalRef, str]]  # with their role in it, the opener first


def read_ticket_detail(
    tx: Connection, viewer: Viewer, workspace: Workspace, number: int
) -> TicketDetail:
    """A ticket the viewer may open; NotFound otherwise, whether it exists or not."""
    row = read_visible_ticket_row(tx, viewer, workspace, number)
    entries = messages.read_timeline_rows(tx, row.id)
    query = (
        select(participants)
        .where(participants.c.ticket == row.id)
        .order_by(participants.c.role != "opener", participants.c.principal)
    )
    taking_part = fetch_all(tx, query, ParticipantRow)
    shown = [row.opener, row.assignee, *(entry.author for entry in entries)]
    names = read_names(tx, [*shown, *(each.principal for each in taking_part)])
    return TicketDetail(
        build_tickets([row], names)[0],
        messages.build_lines(entries, names),
        [(names[each.principal], each.role) for each in taking_part],
    )
