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
from deskwire.events.channels import STAFF, Channel, Workspace, is_request
from deskwire.events.types.registry import Named, TicketNow, Who
from deskwire.kit.clock import Millis
from deskwire.kit.i18n import gettext
from deskwire.tickets.statuses import LABELS, Status
from deskwire.tickets.tables import tickets
from deskwire.tickets.visibility import own_of, read_visible_row
from deskwire.tickets.workspace_names import NOWHERE, Places, read_places
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

OWN = 50  # rows; who takes part in more has a reason to be given a role


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with the names a screen needs."""

    id: str
    workspace: Workspace
    revision: int
    closed_at: Millis | None
    now: TicketNow


def read_visible(tx: Connection, viewer: Viewer, workspace: Workspace, number: int) -> Ticket:
    """One ticket the viewer may open; NotFound otherwise, whether it exists or not."""
    return with_names(tx, [read_visible_row(tx, viewer, workspace, number)])[0]


def read_own(tx: Connection, viewer: Viewer, *, but_in: Collection[Workspace]) -> list[Ticket]:
    """The newest tickets of servers the viewer takes part in, outside the workspaces `but_in`."""
    if not any(channel.startswith("ticket:") for channel in viewer.channels):
        return []
    rows = tx.execute(
        select(tickets)
        .where(own_of(viewer, but_in=but_in), tickets.c.workspace.like("guild:%"))
        .order_by(tickets.c.active_at.desc(), tickets.c.id.desc())
        .limit(OWN)
    ).all()
    return with_names(tx, rows)


def with_names(tx: Connection, rows: Collection[Row[Any]]) -> list[Ticket]:
    """Rows of `tickets` as tickets; the names of all of them are read together."""
    names = read_names(tx, [p for row in rows for p in (row.opener, row.assignee)])
    return named(rows, names, read_places(tx, rows))


def named(
    rows: Collection[Row[Any]], names: Mapping[Principal, Who], places: Places = NOWHERE
) -> list[Ticket]:
    """Rows of `tickets` as tickets, with names read before."""
    return [
        Ticket(row.id, row.workspace, row.revision, row.closed_at, _now(row, names, places))
        for row in rows
    ]


def _now(row: Row[Any], names: Mapping[Principal, Who], places: Places) -> TicketNow:
    status: Status = row.status
    return TicketNow(
        id=row.id,
        number=row.number,
        subject=row.subject or gettext("Ticket #%(number)s", number=row.number),
        status=status,
        status_label=gettext(LABELS[status]),
        opener=names.get(row.opener),
        assignee=names.get(row.assignee),
        priority=row.priority,
        tags=json.loads(row.tags),
        messages=row.messages,
        opened_at=row.opened_at,
        active_at=row.active_at,
        href=address(row.workspace, row.number, row.id),
        **_of_request(row, places),
    )


def _of_request(row: Row[Any], places: Places) -> dict[str, Any]:
    if not is_request(row.workspace):
        return {}
    more: dict[str, Any] = {"reference": reference(row.opened_at, row.number)}
    if (place := places.organizations.get(row.workspace.removeprefix("org:"))) is not None:
        more["place"] = Named(id=place.id, name=place.name)
    if row.category in places.categories:
        more["category"] = Named(id=row.category, name=places.categories[row.category])
    if row.closed_at is not None:
        more["closed_at"] = row.closed_at
    return more


def reference(opened_at: Millis, number: int) -> str:
    """How people name a request: `2026-R-000001`, by the year it was filed in (UTC)."""
    year = datetime.fromtimestamp(opened_at / 1000, UTC).year
    return f"{year}-R-{number:06d}"


def address(workspace: Workspace, number: int, id_: str) -> str:
    """Where a ticket is shown."""
    if is_request(workspace):
        return f"/requests/{id_}"
    return f"/{workspace.replace(':', 's/', 1)}/tickets/{number}"


def held_by(ticket: Ticket, generations: Mapping[str, int]) -> list[Channel]:
    """The channels that show a ticket, as a page marks it; generations by organization."""
    own = channels.ticket(ticket.id)
    if not is_request(ticket.workspace):
        return [channels.tickets(ticket.workspace), own]
    id_ = ticket.workspace.removeprefix("org:")
    whole = [channels.whole(id_, generations[id_])] if id_ in generations else []
    return [STAFF, *whole, own]
