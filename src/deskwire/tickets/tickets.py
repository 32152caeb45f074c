"""Tickets: one conversation to be solved, in the workspace that alone decides who may see it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    and_,
    literal,
    or_,
    select,
    text,
)

from deskwire.accounts.identities import identities
from deskwire.events import channels
from deskwire.events.access import People, Viewer
from deskwire.events.catalogue import TicketNow, Who
from deskwire.events.channels import Workspace
from deskwire.kit.clock import Millis
from deskwire.kit.db import is_shared, metadata
from deskwire.kit.errors import NotFound
from deskwire.tickets.statuses import LABELS, Status
from deskwire.workspaces.names import read_names
from deskwire.workspaces.origin import Principal

OWN = 50  # rows; who takes part in more has a reason to be given a role

tickets = Table(
    "tickets",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("workspace", Text, nullable=False),
    Column("number", Integer, nullable=False),  # the sender's where it is free
    Column("sender_id", BigInteger),  # the sender's own id
    Column("subject", Text),  # None until an event tells it
    Column("status", Text, nullable=False),
    Column("opener", Text),  # principal
    Column("assignee", Text),  # principal
    Column("priority", Text),
    Column("tags", Text, nullable=False),  # JSON list, sorted
    Column("messages", Integer, nullable=False),  # public replies
    Column("opened_at", BigInteger, nullable=False),  # ms
    Column("active_at", BigInteger, nullable=False),  # ms; newest thing that happened to it
    Column("closed_at", BigInteger),  # ms
    Column("deleted_at", BigInteger),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
    UniqueConstraint("workspace", "number"),
    UniqueConstraint("workspace", "sender_id"),
    # Every tab in every order reads its page from an index, and no more of it than is shown.
    *(
        Index(
            "_".join(("ix_tickets", *columns)),
            *columns,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        )
        for columns in (
            ("workspace", "active_at", "id"),
            ("workspace", "opened_at", "id"),
            ("workspace", "status", "active_at", "id"),
            ("workspace", "status", "opened_at", "id"),
            ("workspace", "status", "number", "id"),
        )
    ),
)

participants = Table(
    "participants",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("role", Text, nullable=False),  # opener, added, watcher
    Index("ix_participants_principal", "principal"),
)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket with the names a screen needs."""

    id: str
    workspace: Workspace
    revision: int
    closed_at: Millis | None
    now: TicketNow


def ticket_grants(persons: People) -> list[Select[Any]]:
    """`ticket:ID` for everybody who takes part in it, member of the workspace or not."""
    return [
        select(
            identities.c.person,
            literal("ticket:", Text) + tickets.c.id,
            tickets.c.workspace,
            participants.c.role,
        )
        .select_from(
            participants.join(tickets, tickets.c.id == participants.c.ticket).join(
                identities, identities.c.principal == participants.c.principal
            )
        )
        .where(identities.c.person.in_(persons), tickets.c.deleted_at.is_(None))
    ]


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """The tickets the viewer may list, search and open: all of a workspace, or their own."""
    return tickets.c.deleted_at.is_(None) & or_(
        tickets.c.workspace.in_(whole_workspaces(viewer)), _is_own(viewer)
    )


def own_of(viewer: Viewer, *, but_in: Collection[Workspace]) -> ColumnElement[bool]:
    """Of what is `visible_to` the viewer, the tickets they take part in, outside of `but_in`."""
    return and_(tickets.c.deleted_at.is_(None), _is_own(viewer), tickets.c.workspace.not_in(but_in))


def whole_workspaces(viewer: Viewer) -> list[Workspace]:
    """The workspaces of which the viewer may see every ticket."""
    held = viewer.channels
    return [c.removeprefix("tickets:") for c in held if c.startswith("tickets:")]


def visible_in(
    tx: Connection, viewer: Viewer, workspace: Workspace, among: Select[Any] | None = None
) -> ColumnElement[bool]:
    """`visible_to`, of one workspace; of those whose ids `among` selects, where it is given."""
    narrower: list[ColumnElement[bool]] = [] if among is None else [tickets.c.id.in_(among)]
    if channels.tickets(workspace) not in viewer.channels:
        narrower.append(_is_own(viewer))
    place: ColumnElement[str] = tickets.c.workspace
    if narrower and not is_shared(tx):
        place = place + ""  # SQLite takes any workspace for small: it would walk it, not the ids
    return and_(tickets.c.deleted_at.is_(None), place == workspace, *narrower)


def _is_own(viewer: Viewer) -> ColumnElement[bool]:
    held = viewer.channels
    own = [c.removeprefix("ticket:") for c in held if c.startswith("ticket:")]
    return tickets.c.id.in_(own)


def may_see_any(viewer: Viewer, workspace: Workspace) -> bool:
    """Whether the viewer may see any ticket there; else an empty list would not be the truth."""
    held = (grant.channel for grant in viewer.grants if grant.workspace == workspace)
    return any(channel.startswith(("tickets:", "ticket:")) for channel in held)


def read_visible(tx: Connection, viewer: Viewer, workspace: Workspace, number: int) -> Ticket:
    """One ticket the viewer may open; NotFound otherwise, whether it exists or not."""
    return with_names(tx, [read_visible_row(tx, viewer, workspace, number)])[0]


def read_visible_row(tx: Connection, viewer: Viewer, workspace: Workspace, number: int) -> Row[Any]:
    """The row of `read_visible`, for who reads the names of a whole page at once."""
    row = tx.execute(
        select(tickets).where(
            visible_to(viewer), tickets.c.workspace == workspace, tickets.c.number == number
        )
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such ticket, or it is not shared with you.")
    return row


def read_own(tx: Connection, viewer: Viewer, *, but_in: Collection[Workspace]) -> list[Ticket]:
    """The newest tickets the viewer takes part in, outside the workspaces `but_in`."""
    if not any(channel.startswith("ticket:") for channel in viewer.channels):
        return []
    rows = tx.execute(
        select(tickets)
        .where(own_of(viewer, but_in=but_in))
        .order_by(tickets.c.active_at.desc(), tickets.c.id.desc())
        .limit(OWN)
    ).all()
    return with_names(tx, rows)


def with_names(tx: Connection, rows: Collection[Row[Any]]) -> list[Ticket]:
    """Rows of `tickets` as tickets; the names of all of them are read together."""
    return named(rows, read_names(tx, [p for row in rows for p in (row.opener, row.assignee)]))


def named(rows: Collection[Row[Any]], names: Mapping[Principal, Who]) -> list[Ticket]:
    """Rows of `tickets` as tickets, with names read before."""
    return [
        Ticket(row.id, row.workspace, row.revision, row.closed_at, _now(row, names)) for row in rows
    ]


def _now(row: Row[Any], names: Mapping[Principal, Who]) -> TicketNow:
    status: Status = row.status
    return TicketNow(
        id=row.id,
        number=row.number,
        subject=row.subject or f"Ticket #{row.number}",
        status=status,
        status_label=LABELS[status],
        opener=names.get(row.opener),
        assignee=names.get(row.assignee),
        priority=row.priority,
        tags=json.loads(row.tags),
        messages=row.messages,
        opened_at=row.opened_at,
        active_at=row.active_at,
        href=address(row.workspace, row.number),
    )


def address(workspace: Workspace, number: int) -> str:
    """Where a ticket is shown."""
    kind, _, id_ = workspace.partition(":")
    return f"/{kind}s/{id_}/tickets/{number}"


def audience(workspace: Workspace, ticket_id: str) -> list[str]:
    """Who hears of a ticket: those who see all of its workspace, and those who take part."""
    return [channels.tickets(workspace), channels.ticket(ticket_id)]
