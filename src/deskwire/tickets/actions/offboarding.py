"""End accounts, memberships, staff roles and organizations, and update the tickets they appear in.

They call the functions of `workspaces/` for the same purpose, which know no tickets, and also
unassign the person's open requests, end their participation where they no longer belong, remove
their name from the lines that mention it, and ask admins to replace the API keys the person
created. Tickets of Discord servers stay assigned: assignment there is decided in Discord.
"""

from __future__ import annotations

from sqlalchemy import Connection, Text, and_, delete, exists, literal, literal_column, or_, select

from deskwire.accounts import people
from deskwire.accounts.authentication import SignInAttempt
from deskwire.accounts.identities import resolve_person_ids
from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.rows import fetch_all
from deskwire.tickets.actions.record import record_request_fact
from deskwire.tickets.messages import replace_assignee_name
from deskwire.tickets.statuses import ENDED_STATUSES
from deskwire.tickets.tables import IS_REQUEST, TicketRow, participants, tickets
from deskwire.tickets.visibility import all_requests
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.keys.reminders import ask_for_replacement, find_audiences_left
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations import account_deletion, members, settings, staff
from deskwire.workspaces.organizations.organizations import organization_members, organizations


def delete_account(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Delete a person's account.

    Raises Conflict, with what to do first, for the last admin of an organization, and NotFound if
    the account is deleted already.
    """
    audiences = _find_audiences_left(tx, person_id)
    account_deletion.delete_account_except_tickets(tx, person_id, at)
    ask_for_replacement(tx, person_id, audiences, at)
    _release_requests(tx, person_id, at)


def delete_account_if_confirmed(tx: Connection, attempt: SignInAttempt, at: Millis) -> bool:
    """Delete the account of an attempt whose password matched.

    Returns False if the password was changed in the meantime.
    """
    audiences = _find_audiences_left(tx, attempt.person_id) if attempt.person_id else []
    is_deleted = account_deletion.delete_account_except_tickets_if_confirmed(tx, attempt, at)
    if is_deleted and attempt.person_id is not None:
        ask_for_replacement(tx, attempt.person_id, audiences, at)
        _release_requests(tx, attempt.person_id, at)
    return is_deleted


def deactivate_person(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Deactivate a person's account, and unassign their open requests."""
    audiences = _find_audiences_left(tx, person_id)
    staff.deactivate_except_tickets(tx, actor, person_id)
    ask_for_replacement(tx, person_id, audiences, actor.at)
    unassign_open_requests(tx, actor, person_id)


def remove_staff(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Remove a person from the staff, and unassign their open requests."""
    internal = staff.ensure_internal_organization(tx, actor.at)
    audiences = _find_audiences_left(tx, person_id, left=internal)
    staff.remove_staff_except_tickets(tx, actor, person_id)
    ask_for_replacement(tx, person_id, audiences, actor.at)
    end_participation(tx, person_id)
    unassign_open_requests(tx, actor, person_id)


def remove_member(tx: Connection, actor: Actor, organization_id: str, person_id: PersonId) -> None:
    """Remove a member from an organization, or leave it; they no longer take part in its requests.

    The requests they opened stay. Raises Conflict if they are the last admin.
    """
    audiences = _find_audiences_left(tx, person_id, left=organization_id)
    members.remove_member_except_tickets(tx, actor, organization_id, person_id)
    ask_for_replacement(tx, person_id, audiences, actor.at)
    end_participation(tx, person_id)


def delete_organization(
    tx: Connection, actor: Actor, organization_id: str, confirmed_name: str
) -> None:
    """Delete an organization, confirmed by its typed name.

    Open streams of people who were added to one of its requests authorize again, too.
    """
    added = (
        select(participants.c.principal)
        .join(tickets, tickets.c.id == participants.c.ticket)
        .where(
            tickets.c.workspace == channels.organization(organization_id),
            participants.c.role == literal_column("'added'"),  # a literal, for the partial index
        )
    )
    person_ids = resolve_person_ids(tx, tx.execute(added.distinct()).scalars())
    outsider_channels = [channels.user(person_id) for person_id in sorted(person_ids)]
    settings.mark_organization_deleted(
        tx, actor, organization_id, confirmed_name, outsider_channels
    )


def _find_audiences_left(
    tx: Connection, person_id: PersonId, *, left: str | None = None
) -> list[str]:
    """Return the audiences that a person leaves; none for one who had been locked out before."""
    person = people.find(tx, person_id)
    if person is None or person.deactivated_at is not None or person.deleted_at is not None:
        return []
    return find_audiences_left(tx, person_id, left=left)


def _release_requests(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Take a deleted account out of its requests, and rename it in lines that mention it."""
    end_participation(tx, person_id)
    unassign_open_requests(tx, Actor(Viewer(person_id, ()), at), person_id)
    replace_assignee_name(tx, person_id, read_names(tx, [person_id])[person_id].name)


def end_participation(tx: Connection, person_id: PersonId) -> None:
    """Remove a person from the participants of requests in whose organization they have no role.

    Otherwise they would take part again as soon as they are invited again, and stay listed until
    then. People who were `added` need no role, and a role in the staff counts everywhere.
    """
    member, org = organization_members.c, organizations.c
    has_role = exists().where(
        member.person == person_id,
        member.organization == org.id,
        or_(org.internal, literal("org:", Text) + org.id == tickets.c.workspace),
    )
    ended = (
        select(participants.c.ticket)
        .join(tickets, tickets.c.id == participants.c.ticket)
        .where(participants.c.principal == person_id, participants.c.role != "added")
        .where(IS_REQUEST, ~has_role)
    )
    is_ended = and_(participants.c.principal == person_id, participants.c.ticket.in_(ended))
    tx.execute(delete(participants).where(is_ended))


def unassign_open_requests(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Unassign a person from all requests that have not ended."""
    is_open = and_(all_requests(), tickets.c.status.not_in(ENDED_STATUSES))
    assigned = select(tickets).where(is_open, tickets.c.assignee == person_id)
    query = assigned.order_by(tickets.c.id).with_for_update()
    for row in fetch_all(tx, query, TicketRow):
        before = read_names(tx, [person_id])[person_id].model_dump(exclude_unset=True)
        wire_fields = {"actorId": actor.subject, "before": before}
        record_request_fact(tx, actor, row, "ticket.unclaimed", {"assignee": None}, wire_fields)
