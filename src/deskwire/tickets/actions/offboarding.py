"""Leaving: what somebody had taken on goes back to the team, by a fact in each request; and what
goes with an organization.

A Discord server's tickets stay with whoever has them there: that is told in Discord.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from deskwire.accounts.authentication import Knock
from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.tickets.actions.record import record
from deskwire.tickets.messages import unname
from deskwire.tickets.statuses import ENDED
from deskwire.tickets.tables import participants, tickets
from deskwire.tickets.visibility import all_requests
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import persons_behind, read_names
from deskwire.workspaces.organizations import (
    account_deletion,
    invitations,
    members,
    settings,
    staff,
)


def depart(tx: Connection, person: PersonId, at: Millis) -> None:
    """Somebody deletes their account (`workspaces/organizations/account_deletion.py`)."""
    account_deletion.depart(tx, person, at)
    _follow(tx, person, at)


def depart_by(tx: Connection, knock: Knock, at: Millis) -> bool:
    """`depart` for whoever knocked, their password having matched. False if somebody was faster."""
    is_gone = account_deletion.depart_by(tx, knock, at)
    if is_gone and knock.person is not None:
        _follow(tx, knock.person, at)
    return is_gone


def deactivate(tx: Connection, deed: Deed, person: PersonId) -> None:
    """Nobody signs in as this person any more."""
    staff.deactivate(tx, deed, person)
    give_back(tx, deed, person)


def change_role(tx: Connection, deed: Deed, id_: str, person: PersonId, role: str) -> None:
    """Give a member another role; what they may do no more, their invitations do not either."""
    members.change_role(tx, deed, id_, person, role)
    invitations.revoke_unbacked(tx, person, deed.person, deed.at)


def take_role(tx: Connection, deed: Deed, person: PersonId) -> None:
    """Somebody is of the team no more."""
    staff.take_role(tx, deed, person)
    give_back(tx, deed, person)


def remove_member(tx: Connection, deed: Deed, id_: str, person: PersonId) -> None:
    """Somebody is no member of an organization any more; whom they invited there is not either."""
    members.remove(tx, deed, id_, person)
    invitations.revoke_made(tx, person, deed.person, deed.at, id_)


def delete_organization(tx: Connection, deed: Deed, id_: str, confirmed: str) -> None:
    """Delete an organization; who was added to a request of it loses that on open screens too."""
    added = (
        select(participants.c.principal)
        .join(tickets, tickets.c.id == participants.c.ticket)
        .where(tickets.c.workspace == channels.organization(id_), participants.c.role == "added")
    )
    people = persons_behind(tx, tx.execute(added.distinct()).scalars())
    outsiders = [channels.user(person) for person in sorted(people)]
    settings.delete(tx, deed, id_, confirmed, outsiders)


def _follow(tx: Connection, person: PersonId, at: Millis) -> None:
    """What becomes of requests when an account is gone: nobody has theirs, no line names them."""
    give_back(tx, Deed(Viewer(person, ()), at), person)
    unname(tx, person, read_names(tx, [person])[person].name)


def give_back(tx: Connection, deed: Deed, person: PersonId) -> None:
    """Nobody has the requests any more that this person had taken on and that have not ended."""
    is_open = and_(all_requests(), tickets.c.status.not_in(ENDED))
    theirs = select(tickets).where(is_open, tickets.c.assignee == person)
    for row in tx.execute(theirs.order_by(tickets.c.id).with_for_update()).all():
        before = read_names(tx, [person])[person].model_dump(exclude_unset=True)
        wire = {"actorId": deed.person, "before": before}
        record(tx, deed, row, "ticket.unclaimed", {"assignee": None}, wire)
