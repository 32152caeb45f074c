"""Build the ticket that pages and the API show, with the names of everyone in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    select,
)

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, Channel, Workspace, is_organization
from deskwire.events.types.registry import NamedRef, PrincipalRef, TicketSnapshot
from deskwire.kit.clock import Millis
from deskwire.kit.i18n import gettext
from deskwire.tickets.statuses import STATUS_LABELS, Status
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import participated_by, read_visible_ticket_row
from deskwire.tickets.workspace_names import (
    NO_WORKSPACE_NAMES,
    WorkspaceNames,
    read_workspace_names,
)
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

MAX_OWN_TICKETS = 50  # rows; who takes part in more has a reason to be given a role


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with the names a screen needs."""

    id: str
    workspace: Workspace
    revision: int
    closed_at: Millis | None
    now: TicketSnapshot


def read_visible_ticket(
    tx: Connection, viewer: Viewer, workspace: Workspace, number: int
) -> Ticket:
    """One ticket the viewer may open; NotFound otherwise, whether it exists or not."""
    return load_tickets(tx, [read_visible_ticket_row(tx, viewer, workspace, number)])[0]


def list_own_tickets(
    tx: Connection, viewer: Viewer, *, excluded_workspaces: Collection[Workspace]
) -> list[Ticket]:
    """The newest tickets of servers the viewer takes part in, outside the workspaces `but_in`."""
    if not any(channel.startswith("ticket:") for channel in viewer.channels):
        return []
    rows = tx.execute(
        select(tickets)
        .where(
            participated_by(viewer, excluded_workspaces=excluded_workspaces),
            tickets.c.workspace.like("guild:%"),
        )
        .order_by(tickets.c.active_at.desc(), tickets.c.id.desc())
        .limit(MAX_OWN_TICKETS)
    ).all()
    return load_tickets(tx, rows)


def load_tickets(tx: Connection, rows: Collection[Row[Any]]) -> list[Ticket]:
    """Rows of `tickets` as tickets; the names of all of them are read together."""
    names = read_names(tx, [p for row in rows for p in (row.opener, row.assignee)])
    return build_tickets(rows, names, read_workspace_names(tx, rows))


def build_tickets(
    rows: Collection[Row[Any]],
    names: Mapping[Principal, PrincipalRef],
    workspace_names: WorkspaceNames = NO_WORKSPACE_NAMES,
) -> list[Ticket]:
    """Rows of `tickets` as tickets, with names read before."""
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
    row: Row[Any], names: Mapping[Principal, PrincipalRef], workspace_names: WorkspaceNames
) -> TicketSnapshot:
    status: Status = row.status
    return TicketSnapshot(
        id=row.id,
        number=row.number,
        subject=row.subject or gettext("Ticket #%(number)s", number=row.number),
        status=status,
        status_label=gettext(STATUS_LABELS[status]),
        opener=names.get(row.opener),
        assignee=names.get(row.assignee),
        priority=row.priority,
        tags=json.loads(row.tags),
        messages=row.messages,
        opened_at=row.opened_at,
        active_at=row.active_at,
        href=build_ticket_path(row.workspace, row.number, row.id),
        **_build_request_fields(row, workspace_names),
    )


def _build_request_fields(row: Row[Any], workspace_names: WorkspaceNames) -> dict[str, Any]:
    if not is_organization(row.workspace):
        return {}
    more: dict[str, Any] = {"reference": format_reference(row.opened_at, row.number)}
    if (place := workspace_names.organizations.get(row.workspace.removeprefix("org:"))) is not None:
        more["place"] = NamedRef(id=place.id, name=place.name)
    if row.category in workspace_names.categories:
        more["category"] = NamedRef(id=row.category, name=workspace_names.categories[row.category])
    if row.closed_at is not None:
        more["closed_at"] = row.closed_at
    return more


def format_reference(opened_at: Millis, number: int) -> str:
    """How people name a request: `2026-R-000001`, by the year it was filed in (UTC)."""
    year = datetime.fromtimestamp(opened_at / 1000, UTC).year
    return f"{year}-R-{number:06d}"


def build_ticket_path(workspace: Workspace, number: int, ticket_id: str) -> str:
    """Where a ticket is shown."""
    if is_organization(workspace):
        return f"/requests/{ticket_id}"
    return f"/{workspace.replace(':', 's/', 1)}/tickets/{number}"


def list_ticket_channels(ticket: Ticket, generations: Mapping[str, int]) -> list[Channel]:
    """The channels that show a ticket, as a page marks it; generations by organization."""
    own = channels.ticket(ticket.id)
    if not is_organization(ticket.workspace):
        return [channels.tickets(ticket.workspace), own]
    id_ = ticket.workspace.removeprefix("org:")
    whole = [channels.all_requests(id_, generations[id_])] if id_ in generations else []
    return [STAFF_CHANNEL, *whole, own]
