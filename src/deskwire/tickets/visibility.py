"""Decide which tickets a viewer may see: grants, query conditions, and the checked read."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    and_,
    false,
    literal,
    not_,
    or_,
    select,
)

from deskwire.accounts.api_keys import api_keys
from deskwire.accounts.identities import identities
from deskwire.events import channels
from deskwire.events.access import PeopleParameter, Viewer
from deskwire.events.channels import KEY_PREFIX, STAFF_CHANNEL, Channel, Workspace, is_organization
from deskwire.kit.clock import Millis
from deskwire.kit.db import is_postgresql
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_first
from deskwire.tickets.tables import IS_REQUEST, TicketRow, participants, reads, tickets
from deskwire.workspaces.guilds.grants import is_deactivated
from deskwire.workspaces.organizations.organizations import (
    find_for_share,
    is_deleted_workspace,
    is_deleted_workspace_uncorrelated,
    organization_members,
)

TicketRowT = TypeVar("TicketRowT", bound=TicketRow)


class TicketRowWithReadTime(TicketRow):
    """A row of `tickets` with the time at which the viewer last read it."""

    read_at: Millis | None


def select_ticket_grants(persons: PeopleParameter) -> list[Select[Any]]:
    """Select the grant of `ticket:ID` for each person who takes part in a ticket.

    In Discord, people take part by their identity there. In the portal, they take part as a person:
    for as long as they are a member of the organization, or `added` without being one. A deleted
    organization leaves no grants.
    """
    channel = literal("ticket:", Text) + tickets.c.id
    participations = participants.join(tickets, tickets.c.id == participants.c.ticket)
    by_identity = participations.join(
        identities, identities.c.principal == participants.c.principal
    )
    member = organization_members
    membership = and_(
        member.c.person == participants.c.principal,
        literal("org:", Text) + member.c.organization == tickets.c.workspace,
    )
    exists = and_(tickets.c.deleted_at.is_(None), not_(is_deleted_workspace(tickets.c.workspace)))
    is_admitted = or_(participants.c.role == "added", member.c.person.is_not(None))
    return [
        select(identities.c.person, channel, tickets.c.workspace, participants.c.role)
        .select_from(by_identity)
        .where(identities.c.person.in_(persons), exists),
        select(participants.c.principal, channel, tickets.c.workspace, participants.c.role)
        .select_from(participations.outerjoin(member, membership))
        .where(participants.c.principal.in_(persons), exists, is_admitted),
    ]


def select_ticket_grants_of_principals(principals: PeopleParameter) -> list[Select[Any]]:
    """Select the grant of `ticket:ID` for Discord users who take part, with or without an account.

    Rows of (principal, channel, workspace, reason).
    """
    principal = participants.c.principal
    joined = participants.join(tickets, tickets.c.id == participants.c.ticket)
    channel = literal("ticket:", Text) + tickets.c.id
    exists = and_(tickets.c.deleted_at.is_(None), not_(is_deleted_workspace(tickets.c.workspace)))
    return [
        select(principal, channel, tickets.c.workspace, participants.c.role)
        .select_from(joined)
        .where(principal.in_(principals), ~is_deactivated(principal), exists)
    ]


def select_key_ticket_grants(subjects: PeopleParameter) -> list[Select[Any]]:
    """Select the grant of `ticket:ID` for each API key that opened a request of its organization.

    A key with the role of a member could not see what it files otherwise.
    """
    subject = literal(KEY_PREFIX, Text) + api_keys.c.id
    opened = participants.join(tickets, tickets.c.id == participants.c.ticket).join(
        api_keys,
        and_(participants.c.principal == subject, tickets.c.workspace == api_keys.c.workspace),
    )
    exists = and_(tickets.c.deleted_at.is_(None), not_(is_deleted_workspace(tickets.c.workspace)))
    channel = literal("ticket:", Text) + tickets.c.id
    return [
        select(subject, channel, tickets.c.workspace, participants.c.role)
        .select_from(opened)
        .where(participants.c.principal.in_(subjects), exists)
    ]


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition of the tickets the viewer may list, search and open."""
    return tickets.c.deleted_at.is_(None) & or_(
        tickets.c.workspace.in_(fully_visible_workspaces(viewer)),
        _is_participant(viewer),
        _is_staff_request(viewer),
    )


def participated_by(
    viewer: Viewer, *, excluded_workspaces: Collection[Workspace]
) -> ColumnElement[bool]:
    """Return the condition of the visible tickets that the viewer takes part in."""
    return and_(
        tickets.c.deleted_at.is_(None),
        _is_participant(viewer),
        tickets.c.workspace.not_in(excluded_workspaces),
    )


def fully_visible_workspaces(viewer: Viewer) -> list[Workspace]:
    """Return the workspaces of which the viewer may see every ticket.

    Staff see every request in addition; that has a condition of its own.
    """
    return [
        workspace for c in sorted(viewer.channels) if (workspace := _fully_visible_workspace(c))
    ]


def _fully_visible_workspace(channel: Channel) -> Workspace | None:
    match channel.split(":"):
        case ["tickets", kind, id_]:
            return f"{kind}:{id_}"
        case ["org", id_, _generation]:
            return channels.organization(id_)
    return None


def can_see_all_tickets(viewer: Viewer, workspace: Workspace) -> bool:
    """Return whether the viewer may see every ticket of a workspace."""
    if STAFF_CHANNEL in viewer.channels and is_organization(workspace):
        return True
    return workspace in fully_visible_workspaces(viewer)


def visible_in(
    tx: Connection, viewer: Viewer, workspace: Workspace, ticket_ids: Select[Any] | None = None
) -> ColumnElement[bool]:
    """Return the condition of `visible_to` within one workspace, and within `ticket_ids`."""
    conditions: list[ColumnElement[bool]] = (
        [] if ticket_ids is None else [tickets.c.id.in_(ticket_ids)]
    )
    if not can_see_all_tickets(viewer, workspace):
        conditions.append(_is_participant(viewer))
    workspace_column: ColumnElement[str] = tickets.c.workspace
    if conditions and not is_postgresql(tx):
        # SQLite expects a workspace to be small and would scan it instead of the ids: the
        # expression keeps it from using that index.
        workspace_column = workspace_column + ""
    if STAFF_CHANNEL in viewer.channels and is_organization(workspace):
        conditions.append(not_(is_deleted_workspace(literal(workspace))))
    return and_(tickets.c.deleted_at.is_(None), workspace_column == workspace, *conditions)


def _is_participant(viewer: Viewer) -> ColumnElement[bool]:
    prefix = "ticket:"
    ids = [c.removeprefix(prefix) for c in viewer.channels if c.startswith(prefix)]
    return tickets.c.id.in_(ids)


def _is_staff_request(viewer: Viewer) -> ColumnElement[bool]:
    return (
        IS_REQUEST & ~is_deleted_workspace(tickets.c.workspace)
        if STAFF_CHANNEL in viewer.channels
        else false()
    )


def all_requests() -> ColumnElement[bool]:
    """Return the condition of the requests of all organizations, for staff's lists and counts."""
    exists = not_(is_deleted_workspace_uncorrelated(tickets.c.workspace))
    return and_(tickets.c.deleted_at.is_(None), IS_REQUEST, exists)


def can_see_any_ticket(viewer: Viewer, workspace: Workspace) -> bool:
    """Return whether the viewer may see any ticket of a workspace.

    Callers refuse those who may not: an empty list would claim that there are no tickets.
    """
    if can_see_all_tickets(viewer, workspace):
        return True
    return any(
        grant.channel.startswith("ticket:")
        for grant in viewer.grants
        if grant.workspace == workspace
    )


def read_visible_ticket_row(
    tx: Connection, viewer: Viewer, workspace: Workspace, number: int
) -> TicketRow:
    """Return the row of a ticket the viewer may open, by its number.

    Raises NotFound otherwise, whether the ticket exists or not.
    """
    query = select(tickets).where(
        visible_to(viewer), tickets.c.workspace == workspace, tickets.c.number == number
    )
    row = fetch_first(tx, query, TicketRow)
    if row is None:
        raise NotFound(gettext("This ticket doesn’t exist, or you don’t have access to it."))
    return row


def read_visible_ticket_row_by_id(
    tx: Connection, viewer: Viewer, ticket_id: str, *, for_update: bool = False
) -> TicketRow:
    """Return the row of a ticket the viewer may open, by its id; with `for_update`, lock it.

    Raises NotFound otherwise, whether the ticket exists or not.
    """
    query = select(tickets).where(visible_to(viewer), tickets.c.id == ticket_id)
    row = fetch_first(tx, query.with_for_update() if for_update else query, TicketRow)
    return _require_found(row)


def read_visible_ticket_row_with_read_time(
    tx: Connection, viewer: Viewer, ticket_id: str
) -> TicketRowWithReadTime:
    """Return the row of a ticket the viewer may open, with `read_at`. Raises NotFound."""
    query = select(tickets, last_read_at(viewer)).where(
        visible_to(viewer), tickets.c.id == ticket_id
    )
    return _require_found(fetch_first(tx, query, TicketRowWithReadTime))


def _require_found(row: TicketRowT | None) -> TicketRowT:
    if row is None:
        raise NotFound(gettext("This request doesn’t exist, or you don’t have access to it."))
    return row


def last_read_at(viewer: Viewer) -> ColumnElement[Millis | None]:
    """Return the column `read_at`: when the viewer last read a ticket (ms), NULL if never."""
    by_viewer = and_(reads.c.ticket == tickets.c.id, reads.c.person == viewer.subject)
    return select(reads.c.at).where(by_viewer).scalar_subquery().label("read_at")


def read_ticket_channels(tx: Connection, workspace: Workspace, ticket_id: str) -> list[Channel]:
    """Return the channels of a ticket's events, for the transaction that appends one.

    They reach the people who see all of its workspace and those who take part in it. A deleted
    organization has none.
    """
    if not is_organization(workspace):
        return [channels.tickets(workspace), channels.ticket(ticket_id)]
    organization_id = workspace.removeprefix("org:")
    organization = find_for_share(tx, organization_id)
    if organization is None:
        return [STAFF_CHANNEL, channels.ticket(ticket_id)]
    if organization.is_deleted:
        return []
    all_requests_channel = channels.all_requests(organization_id, organization.generation)
    return [STAFF_CHANNEL, all_requests_channel, channels.ticket(ticket_id)]
