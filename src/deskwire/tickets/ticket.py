"""Build the ticket that pages, events and the API show, with the names of its people."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, Channel, Workspace, is_organization
from deskwire.events.types.registry import NamedRef, PrincipalRef, TicketSnapshot
from deskwire.kit.clock import Millis
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all
from deskwire.tickets.request_fields import read_plain_values
from deskwire.tickets.statuses import STATUS_LABELS
from deskwire.tickets.tables import TicketRow, tickets
from deskwire.tickets.visibility import participated_by
from deskwire.tickets.workspace_names import (
    NO_WORKSPACE_NAMES,
    WorkspaceNames,
    read_workspace_names,
)
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

MAX_OWN_TICKETS = 50  # rows; a person who takes part in more should be given a role


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with the names that a page needs."""

    id: str
    workspace: Workspace
    revision: int
    closed_at: Millis | None
    now: TicketSnapshot


def list_own_tickets(
    tx: Connection, viewer: Viewer, *, excluded_workspaces: Collection[Workspace]
) -> list[Ticket]:
    """Return the newest tickets of Discord servers that the viewer takes part in.

    Tickets in `excluded_workspaces` are left out; at most MAX_OWN_TICKETS are returned.
    """
    if not any(channel.startswith("ticket:") for channel in viewer.channels):
        return []
    query = (
        select(tickets)
        .where(
            participated_by(viewer, excluded_workspaces=excluded_workspaces),
            tickets.c.workspace.like("guild:%"),
        )
        .order_by(tickets.c.active_at.desc(), tickets.c.id.desc())
        .limit(MAX_OWN_TICKETS)
    )
    return load_tickets(tx, fetch_all(tx, query, TicketRow))


def load_tickets(tx: Connection, rows: Collection[TicketRow]) -> list[Ticket]:
    """Build tickets from rows; the names of all of them are read together."""
    names = read_names(tx, [p for row in rows for p in (row.opener, row.assignee)])
    return build_tickets(rows, names, read_workspace_names(tx, rows))


def build_tickets(
    rows: Collection[TicketRow],
    names: Mapping[Principal, PrincipalRef],
    workspace_names: WorkspaceNames = NO_WORKSPACE_NAMES,
) -> list[Ticket]:
    """Build tickets from rows and from names that were read before."""
    return [
        Ticket(
            row.id,
            row.workspace,
            row.revision,
            row.closed_at,
            _build_ticket_now(row, names, workspace_names),
        )
        for row in rows
    ]


def _build_ticket_now(
    row: TicketRow, names: Mapping[Principal, PrincipalRef], workspace_names: WorkspaceNames
) -> TicketSnapshot:
    return TicketSnapshot(
        id=row.id,
        number=row.number,
        subject=row.subject or gettext("Ticket #%(number)s", number=row.number),
        status=row.status,
        status_label=gettext(STATUS_LABELS[row.status]),
        opener=names.get(row.opener or ""),
        assignee=names.get(row.assignee or ""),
        **read_plain_values(row, TicketSnapshot),
        tags=json.loads(row.tags),
        messages=row.messages,
        opened_at=row.opened_at,
        active_at=row.active_at,
        href=build_ticket_path(row.workspace, row.number, row.id),
        **_build_request_fields(row, workspace_names),
    )


def withhold_content(now: TicketSnapshot) -> TicketSnapshot:
    """Return the state of a deleted ticket without what people wrote, chose or are named by."""
    withheld: dict[str, Any] = dict.fromkeys(("opener", "assignee", "priority", "category"))
    withheld |= {"tags": [], "subject": f"#{now.number}"}
    known = {name: value for name, value in withheld.items() if name in now.model_fields_set}
    return now.model_copy(update=known)


def _build_request_fields(row: TicketRow, workspace_names: WorkspaceNames) -> dict[str, Any]:
    if not is_organization(row.workspace):
        return {}
    fields: dict[str, Any] = {"reference": format_reference(row.opened_at, row.number)}
    organization = workspace_names.organizations.get(row.workspace.removeprefix("org:"))
    if organization is not None:
        fields["place"] = NamedRef(id=organization.id, name=organization.name)
    if row.category is not None and row.category in workspace_names.categories:
        name = workspace_names.categories[row.category]
        fields["category"] = NamedRef(id=row.category, name=name)
    if row.closed_at is not None:
        fields["closed_at"] = row.closed_at
    return fields


def format_reference(opened_at: Millis, number: int) -> str:
    """Format a request's reference, `2026-R-000001`, with the year it was filed in (UTC)."""
    year = datetime.fromtimestamp(opened_at / 1000, UTC).year
    return f"{year}-R-{number:06d}"


def build_ticket_path(workspace: Workspace, number: int, ticket_id: str) -> str:
    """Return the path of a ticket's page."""
    if is_organization(workspace):
        return f"/requests/{ticket_id}"
    return f"/{workspace.replace(':', 's/', 1)}/tickets/{number}"


def list_ticket_channels(ticket: Ticket, generations: Mapping[str, int]) -> list[Channel]:
    """Return the channels whose subscribers may see a ticket; `generations` by organization id."""
    ticket_channel = channels.ticket(ticket.id)
    if not is_organization(ticket.workspace):
        return [channels.tickets(ticket.workspace), ticket_channel]
    id_ = ticket.workspace.removeprefix("org:")
    everyone = [channels.all_requests(id_, generations[id_])] if id_ in generations else []
    return [STAFF_CHANNEL, *everyone, ticket_channel]
