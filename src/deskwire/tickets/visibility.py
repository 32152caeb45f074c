"""Decide which tickets a viewer may see: grants, query conditions, and the checked read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    false,
    literal,
    not_,
    or_,
    select,
)

from deskwire.accounts.identities import identities
from deskwire.events import channels
from deskwire.events.access import PeopleParameter, Viewer
from deskwire.events.channels import STAFF_CHANNEL, Channel, Workspace, is_organization
from deskwire.kit.clock import Millis
from deskwire.kit.db import is_postgresql
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.tickets.tables import IS_REQUEST, participants, reads, tickets
from deskwire.workspaces.organizations.organizations import (
    is_deleted_workspace,
    is_deleted_workspace_uncorrelated,
    organization_members,
    read_organizations_by_id,
)


def select_ticket_grants(persons: PeopleParameter) -> list[Select[Any]]:
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
    is_there = and_(tickets.c.deleted_at.is_(None), not_(is_deleted_workspace(tickets.c.workspace)))
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
        tickets.c.workspace.in_(fully_visible_workspaces(viewer)),
        _is_participant(viewer),
        _is_staff_request(viewer),
    )


def participated_by(
    viewer: Viewer, *, excluded_workspaces: Collection[Workspace]
) -> ColumnElement[bool]:
    """Of what is `visible_to` the viewer, the tickets they take part in, outside of `but_in`."""
    return and_(
        tickets.c.deleted_at.is_(None),
        _is_participant(viewer),
        tickets.c.workspace.not_in(excluded_workspaces),
    )


def fully_visible_workspaces(viewer: Viewer) -> list[Workspace]:
    """The workspaces of which the viewer may see every ticket; of the team, beside all clients'."""
    return [
        workspace for c in sorted(viewer.channels) if (workspace := _fully_visible_workspace(c))
    ]


def _fully_visible_workspace(channel: Channel) -> Workspace | None:
    """The workspace of which this channel shows every ticket."""
    match channel.split(":"):
        case ["tickets", kind, id_]:
            return f"{kind}:{id_}"
        case ["org", id_, _generation]:
            return channels.organization(id_)
    return None


def can_see_all_tickets(viewer: Viewer, workspace: Workspace) -> bool:
    """Whether the viewer may see every ticket of a workspace."""
    if STAFF_CHANNEL in viewer.channels and is_organization(workspace):
        return True
    return workspace in fully_visible_workspaces(viewer)


def visible_in(
    tx: Connection, viewer: Viewer, workspace: Workspace, ticket_ids: Select[Any] | None = None
) -> ColumnElement[bool]:
    """`visible_to`, of one workspace; of those whose ids `among` selects, where it is given."""
    narrower: list[ColumnElement[bool]] = (
        [] if ticket_ids is None else [tickets.c.id.in_(ticket_ids)]
    )
    if not can_see_all_tickets(viewer, workspace):
        narrower.append(_is_participant(viewer))
    place: ColumnElement[str] = tickets.c.workspace
    if narrower and not is_postgresql(tx):
        place = place + ""  # SQLite takes any workspace for small: it would walk it, not the ids
    if STAFF_CHANNEL in viewer.channels and is_organization(workspace):
        narrower.append(not_(is_deleted_workspace(literal(workspace))))
    return and_(tickets.c.deleted_at.is_(None), place == workspace, *narrower)


def _is_participant(viewer: Viewer) -> ColumnElement[bool]:
    held = viewer.channels
    own = [c.removeprefix("ticket:") for c in held if c.startswith("ticket:")]
    return tickets.c.id.in_(own)


def _is_staff_request(viewer: Viewer) -> ColumnElement[bool]:
    return (
        IS_REQUEST & ~is_deleted_workspace(tickets.c.workspace)
        if STAFF_CHANNEL in viewer.channels
        else false()
    )


def all_requests() -> ColumnElement[bool]:
    """The requests of all organizations, for the team's lists and numbers: those that are there."""
    is_there = not_(is_deleted_workspace_uncorrelated(tickets.c.workspace))
    return and_(tickets.c.deleted_at.is_(None), IS_REQUEST, is_there)


def can_see_any_ticket(viewer: Viewer, workspace: Workspace) -> bool:
    """Whether the viewer may see any ticket there; else an empty list would not be the truth."""
    if can_see_all_tickets(viewer, workspace):
        return True
    return any(
        grant.channel.startswith("ticket:")
        for grant in viewer.grants
        if grant.workspace == workspace
    )


def read_visible_ticket_row(
    tx: Connection, viewer: Viewer, workspace: Workspace, number: int
) -> Row[Any]:
    """The row of `read_visible`, for who reads the names of a whole page at once."""
    row = tx.execute(
        select(tickets).where(
            visible_to(viewer), tickets.c.workspace == workspace, tickets.c.number == number
        )
    ).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such ticket, or it is not shared with you."))
    return row


def read_visible_ticket_row_by_id(
    tx: Connection,
    viewer: Viewer,
    ticket_id: str,
    *,
    for_update: bool = False,
    extra_columns: Sequence[ColumnElement[Any]] = (),
) -> Row[Any]:
    """The row of a ticket the viewer may open, by its id, with the columns `also`; `hold`: until
    the transaction ends."""
    chosen = select(tickets, *extra_columns).where(visible_to(viewer), tickets.c.id == ticket_id)
    row = tx.execute(chosen.with_for_update() if for_update else chosen).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such request, or it is not shared with you."))
    return row


def last_read_at(viewer: Viewer) -> ColumnElement[Millis | None]:
    """When the viewer last read a ticket; None: never."""
    mine = and_(reads.c.ticket == tickets.c.id, reads.c.person == viewer.person)
    return select(reads.c.at).where(mine).scalar_subquery().label("read_at")


def read_ticket_channels(tx: Connection, workspace: Workspace, ticket_id: str) -> list[Channel]:
    """Who hears of a ticket: those who see all of its workspace, and those who take part."""
    if not is_organization(workspace):
        return [channels.tickets(workspace), channels.ticket(ticket_id)]
    id_ = workspace.removeprefix("org:")
    found = read_organizations_by_id(tx, [id_]).get(id_)
    if found is not None and found.is_deleted:
        return []  # nobody has it any more
    whole = [channels.all_requests(id_, found.generation)] if found is not None else []
    return [STAFF_CHANNEL, *whole, channels.ticket(ticket_id)]
