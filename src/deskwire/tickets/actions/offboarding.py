"""Leaving: what somebody had taken on goes back to the team, by a fact in each request; and what
goes with an organization.

A Discord server's tickets stay with whoever has them there: that is told in Discord.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from deskwire.accounts.authentication import SignInAttempt
from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.rows import fetch_all
from deskwire.tickets.actions.record import record_request_fact
from deskwire.tickets.messages import replace_assignee_name
from deskwire.tickets.statuses import ENDED_STATUSES
from deskwire.tickets.tables import TicketRow, participants, tickets
from deskwire.tickets.visibility import all_requests
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names, resolve_person_ids
from deskwire.workspaces.organizations import (
    account_deletion,
    invitations,
    members,
    settings,
    staff,
)


def delete_account(tx: Connection, person: PersonId, at: Millis) -> None:
    """Somebody deletes their account (`workspaces/organizations/account_deletion.py`)."""
    account_deletion.delete_account_except_tickets(tx, person, at)
    _release_requests(tx, person, at)


def delete_account_if_confirmed(tx: Connection, attempt: SignInAttempt, at: Millis) -> bool:
    """`depart` for whoever knocked, their password having matched. False if somebody was faster."""
    is_gone = account_deletion.delete_account_except_tickets_if_confirmed(tx, attempt, at)
    if is_gone and attempt.person_id is not None:
        _release_requests(tx, attempt.person_id, at)
    return is_gone


def deactivate_person(tx: Connection, actor: Actor, person: PersonId) -> None:
    """Nobody signs in as this person any more."""
    staff.deactivate_except_tickets(tx, actor, person)
    unassign_open_requests(tx, actor, person)


def change_member_role(
    tx: Connection, actor: Actor, organization_id: str, person: PersonId, role: str
) -> None:
    """Give a member another role; what they may do no more, their invitations do not either."""
    members.update_membership_role(tx, actor, organization_id, person, role)
    invitations.revoke_unauthorized(tx, person, actor.person_id, actor.at)


def remove_staff(tx: Connection, actor: Actor, person: PersonId) -> None:
    """Somebody is of the team no more."""
    staff.remove_staff_except_tickets(tx, actor, person)
    unassign_open_requests(tx, actor, person)


def remove_member(tx: Connection, actor: Actor, organization_id: str, person: PersonId) -> None:
    """Somebody is no member of an organization any more; whom they invited there is not either."""
    members.delete_membership(tx, actor, organization_id, person)
    invitations.revoke_all_by(tx, person, actor.person_id, actor.at, organization_id)


def delete_organization(
    tx: Connection, actor: Actor, organization_id: str, confirmed_name: str
) -> None:
    """Delete an organization; who was added to a request of it loses that on open screens too."""
    added = (
        select(participants.c.principal)
        .join(tickets, tickets.c.id == participants.c.ticket)
        .where(
            tickets.c.workspace == channels.organization(organization_id),
            participants.c.role == "added",
        )
    )
    people = resolve_person_ids(tx, tx.execute(added.distinct()).scalars())
    outsiders = [channels.user(person) for person in sorted(people)]
    settings.mark_organization_deleted(tx, actor, organization_id, confirmed_name, outsiders)


def _release_requests(tx: Connection, person: PersonId, at: Millis) -> None:
    """What becomes of requests when an account is gone: nobody has theirs, no line names them."""
    unassign_open_requests(tx, Actor(Viewer(person, ()), at), person)
    replace_assignee_name(tx, person, read_names(tx, [person])[person].name)


def unassign_open_requests(tx: Connection, actor: Actor, person: PersonId) -> None:
    """Nobody has the requests any more that this person had taken on and that have not ended."""
    is_open = and_(all_requests(), tickets.c.status.not_in(ENDED_STATUSES))
    theirs = select(tickets).where(is_open, tickets.c.assignee == person)
    query = theirs.order_by(tickets.c.id).with_for_update()
    for row in fetch_all(tx, query, TicketRow):
        before = read_names(tx, [person])[person].model_dump(exclude_unset=True)
        wire = {"actorId": actor.person_id, "before": before}
        record_request_fact(tx, actor, row, "ticket.unclaimed", {"assignee": None}, wire)
