"""End accounts, staff roles and organizations, and update the tickets that refer to them.

They call the functions of `workspaces/` for the same purpose, which know no tickets, and also
unassign the person's open requests and remove their name from the lines that mention it. Tickets of
Discord servers stay assigned: assignment there is decided in Discord.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, literal_column, select

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
from deskwire.tickets.tables import TicketRow, participants, tickets
from deskwire.tickets.visibility import all_requests
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations import account_deletion, settings, staff


def delete_account(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Delete a person's account.

    Raises Conflict, with what to do first, for the last admin of an organization, and NotFound if
    the account is deleted already.
    """
    account_deletion.delete_account_except_tickets(tx, person_id, at)
    _release_requests(tx, person_id, at)


def delete_account_if_confirmed(tx: Connection, attempt: SignInAttempt, at: Millis) -> bool:
    """Delete the account of an attempt whose password matched.

    Returns False if the password was changed in the meantime.
    """
    is_deleted = account_deletion.delete_account_except_tickets_if_confirmed(tx, attempt, at)
    if is_deleted and attempt.person_id is not None:
        _release_requests(tx, attempt.person_id, at)
    return is_deleted


def deactivate_person(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Deactivate a person's account, and unassign their open requests."""
    staff.deactivate_except_tickets(tx, actor, person_id)
    unassign_open_requests(tx, actor, person_id)


def remove_staff(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Remove a person from the staff, and unassign their open requests."""
    staff.remove_staff_except_tickets(tx, actor, person_id)
    unassign_open_requests(tx, actor, person_id)


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


def _release_requests(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Unassign a deleted account's open requests, and rename it in lines that mention it."""
    unassign_open_requests(tx, Actor(Viewer(person_id, ()), at), person_id)
    replace_assignee_name(tx, person_id, read_names(tx, [person_id])[person_id].name)


def unassign_open_requests(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Unassign a person from all requests that have not ended."""
    is_open = and_(all_requests(), tickets.c.status.not_in(ENDED_STATUSES))
    assigned = select(tickets).where(is_open, tickets.c.assignee == person_id)
    query = assigned.order_by(tickets.c.id).with_for_update()
    for row in fetch_all(tx, query, TicketRow):
        before = read_names(tx, [person_id])[person_id].model_dump(exclude_unset=True)
        wire_fields = {"actorId": actor.person_id, "before": before}
        record_request_fact(tx, actor, row, "ticket.unclaimed", {"assignee": None}, wire_fields)
