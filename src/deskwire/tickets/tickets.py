"""Tickets: one conversation to be solved, in the workspace that alone decides who may see it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
)

from deskwire.accounts.identities import identities
from deskwire.events import channels
from deskwire.events.access import People, Viewer
from deskwire.events.catalogue import Named, TicketNow, Who
from deskwire.events.channels import STAFF, Channel, Workspace
from deskwire.kit.clock import Millis
from deskwire.kit.db import is_shared, metadata
from deskwire.kit.errors import NotFound
from deskwire.kit.speech import gettext
from deskwire.tickets.places import NOWHERE, Places, is_request, read_places
from deskwire.tickets.statuses import ENDED, LABELS, Status
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations import (
    are_of_deleted,
    is_of_deleted,
    organization_members,
    read_some,
)
from deskwire.workspaces.origin import Principal

OWN = 50  # rows; who takes part in more has a reason to be given a role

_IS_OPEN = "deleted_at IS NULL AND workspace LIKE 'org:%' AND status NOT IN ('canceled', 'done')"

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
    Column("category", Text),  # of the workspace's `categories`
    Column("spoken_at", BigInteger),  # ms; newest public reply
    Column("spoken_by", Text),  # principal; who wrote it
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
            ("workspace", "assignee", "active_at", "id"),
            ("workspace", "opener", "active_at", "id"),
            ("workspace", "category", "active_at", "id"),
        )
    ),
    # The team's list of all companies' requests.
    *(
        Index(
            "_".join(("ix_tickets_requests", *columns)),
            *columns,
            sqlite_where=text("deleted_at IS NULL AND workspace LIKE 'org:%'"),
            postgresql_where=text("deleted_at IS NULL AND workspace LIKE 'org:%'"),
        )
        for columns in (
            ("active_at", "id"),
            ("opened_at", "id"),
            ("status", "active_at", "id"),
            ("assignee", "active_at", "id"),
        )
    ),
    # How many open ones each assignee has, without a look at the rows: SQLite asks for every
    # column that the statement names, `deleted_at` too.
    Index(
        "ix_tickets_open",
        *("assignee", "workspace", "status", "deleted_at"),
        sqlite_where=text(_IS_OPEN),
        postgresql_where=text(_IS_OPEN),
    ),
)

# Written out, not bound: only so an index over them alone is seen to fit.
REQUESTS: ColumnElement[bool] = tickets.c.workspace.like(literal_column("'org:%'"))
OPEN: ColumnElement[bool] = tickets.c.status.not_in(
    [literal_column(f"'{status}'") for status in sorted(ENDED)]
)

# How far somebody has read a ticket.
reads = Table(
    "reads",
    metadata,
    Column("ticket", Text, primary_key=True),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("at", BigInteger, nullable=False),  # ms; replies up to here
    Index("ix_reads_person", "person"),
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
    """`ticket:ID` for everybody who takes part in it.

    In Discord somebody takes part as who they are there. In the portal a person does: as a member
    of the organization, for as long as they are one, or added although they are none. Of an
    organization that was deleted nobody keeps anything.
    """
    channel = literal("ticket:", Text) + tickets.c.id
    taking_part = participants.join(tickets, tickets.c.id == participants.c.ticket)
    elsewhere = taking_part.join(identities, identities.c.principal == participants.c.principal)
    member = organization_members
    membership = and_(
        member.c.person == participants.c.principal,
        literal("org:", Text) + member.c.organization == tickets.c.workspace,
    )
    is_there = and_(tickets.c.deleted_at.is_(None), not_(is_of_deleted(tickets.c.workspace)))
    may_stay = or_(participants.c.role == "added", member.c.person.is_not(None))
    return [
        select(identities.c.person, channel, tickets.c.workspace, participants.c.role)
        .select_from(elsewhere)
        .where(identities.c.person.in_(persons), is_there),
        select(participants.c.principal, channel, tickets.c.workspace, participants.c.role)
        .select_from(taking_part.outerjoin(member, membership))
        .where(participants.c.principal.in_(persons), is_there, may_stay),
    ]


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """The tickets the viewer may list, search and open: all of a workspace, or their own."""
    return tickets.c.deleted_at.is_(None) & or_(
        tickets.c.workspace.in_(whole_workspaces(viewer)), _is_own(viewer), _is_teams(viewer)
    )


def own_of(viewer: Viewer, *, but_in: Collection[Workspace]) -> ColumnElement[bool]:
    """Of what is `visible_to` the viewer, the tickets they take part in, outside of `but_in`."""
    return and_(tickets.c.deleted_at.is_(None), _is_own(viewer), tickets.c.workspace.not_in(but_in))


def whole_workspaces(viewer: Viewer) -> list[Workspace]:
    """The workspaces of which the viewer may see every ticket; of the team, beside all clients'."""
    return [workspace for c in sorted(viewer.channels) if (workspace := _whole_by(c))]


def _whole_by(channel: Channel) -> Workspace | None:
    """The workspace of which this channel shows every ticket."""
    match channel.split(":"):
        case ["tickets", kind, id_]:
            return f"{kind}:{id_}"
        case ["org", id_, _generation]:
            return channels.organization(id_)
    return None


def sees_whole(viewer: Viewer, workspace: Workspace) -> bool:
    """Whether the viewer may see every ticket of a workspace."""
    if STAFF in viewer.channels and is_request(workspace):
        return True
    return workspace in whole_workspaces(viewer)


def visible_in(
    tx: Connection, viewer: Viewer, workspace: Workspace, among: Select[Any] | None = None
) -> ColumnElement[bool]:
    """`visible_to`, of one workspace; of those whose ids `among` selects, where it is given."""
    narrower: list[ColumnElement[bool]] = [] if among is None else [tickets.c.id.in_(among)]
    if not sees_whole(viewer, workspace):
        narrower.append(_is_own(viewer))
    place: ColumnElement[str] = tickets.c.workspace
    if narrower and not is_shared(tx):
        place = place + ""  # SQLite takes any workspace for small: it would walk it, not the ids
    if STAFF in viewer.channels and is_request(workspace):
        narrower.append(not_(is_of_deleted(literal(workspace))))
    return and_(tickets.c.deleted_at.is_(None), place == workspace, *narrower)


def _is_own(viewer: Viewer) -> ColumnElement[bool]:
    held = viewer.channels
    own = [c.removeprefix("ticket:") for c in held if c.startswith("ticket:")]
    return tickets.c.id.in_(own)


def _is_teams(viewer: Viewer) -> ColumnElement[bool]:
    return REQUESTS & ~is_of_deleted(tickets.c.workspace) if STAFF in viewer.channels else false()


def all_requests() -> ColumnElement[bool]:
    """The requests of all organizations, for the team's lists and numbers: those that are there."""
    is_there = not_(are_of_deleted(tickets.c.workspace))
    return and_(tickets.c.deleted_at.is_(None), REQUESTS, is_there)


def may_see_any(viewer: Viewer, workspace: Workspace) -> bool:
    """Whether the viewer may see any ticket there; else an empty list would not be the truth."""
    if sees_whole(viewer, workspace):
        return True
    return any(
        grant.channel.startswith("ticket:")
        for grant in viewer.grants
        if grant.workspace == workspace
    )


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
        raise NotFound(gettext("There is no such ticket, or it is not shared with you."))
    return row


def read_visible_id(
    tx: Connection,
    viewer: Viewer,
    ticket_id: str,
    *,
    hold: bool = False,
    also: Sequence[ColumnElement[Any]] = (),
) -> Row[Any]:
    """The row of a ticket the viewer may open, by its id, with the columns `also`; `hold`: until
    the transaction ends."""
    chosen = select(tickets, *also).where(visible_to(viewer), tickets.c.id == ticket_id)
    row = tx.execute(chosen.with_for_update() if hold else chosen).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such request, or it is not shared with you."))
    return row


def read_at(viewer: Viewer) -> ColumnElement[Millis | None]:
    """When the viewer last read a ticket; None: never."""
    mine = and_(reads.c.ticket == tickets.c.id, reads.c.person == viewer.person)
    return select(reads.c.at).where(mine).scalar_subquery().label("read_at")


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


def audience(tx: Connection, workspace: Workspace, ticket_id: str) -> list[Channel]:
    """Who hears of a ticket: those who see all of its workspace, and those who take part."""
    if not is_request(workspace):
        return [channels.tickets(workspace), channels.ticket(ticket_id)]
    id_ = workspace.removeprefix("org:")
    found = read_some(tx, [id_]).get(id_)
    if found is not None and found.is_deleted:
        return []  # nobody has it any more
    whole = [channels.whole(id_, found.generation)] if found is not None else []
    return [STAFF, *whole, channels.ticket(ticket_id)]


def held_by(ticket: Ticket, generations: Mapping[str, int]) -> list[Channel]:
    """The channels that show a ticket, as a page marks it; generations by organization."""
    own = channels.ticket(ticket.id)
    if not is_request(ticket.workspace):
        return [channels.tickets(ticket.workspace), own]
    id_ = ticket.workspace.removeprefix("org:")
    whole = [channels.whole(id_, generations[id_])] if id_ in generations else []
    return [STAFF, *whole, own]
