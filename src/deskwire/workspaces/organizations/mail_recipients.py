"""Remember which addresses refuse mail for good, so that no more is sent to them.

    mail server: no such address → the person is marked, until the address is verified again
                                 → open invitations are marked, and their inviters see it

Only mail with which a person verifies the address is still sent: they ask for each one. An address
without an account cannot be verified, so its refusals count for a while. Bounces that arrive later,
as mail to the sender, are not read.
"""

from __future__ import annotations

from sqlalchemy import Connection, update

from deskwire.accounts import people
from deskwire.dispatches.mail import PROOF_MAIL
from deskwire.events import channels
from deskwire.events.types.registry import InvitationUndeliverable
from deskwire.kit.clock import Millis, format_iso
from deskwire.kit.rows import fetch_all
from deskwire.workspaces.organizations.invitation_events import record_invitation_event
from deskwire.workspaces.organizations.invitations import (
    InvitationRow,
    find_refusal,
    invitations,
    is_open,
)
from deskwire.workspaces.origin import DESK_ACTOR


class MailRecipients:
    """The addresses of people and invitations, as the target `mail` asks for them."""

    def find_obstacle(self, tx: Connection, kind: str, recipient: str, at: Millis) -> str | None:
        """Return why no mail of this kind is to be sent to an address; None if it is."""
        person = people.find_by_email(tx, recipient)
        if person is not None and person.deactivated_at is not None:
            return "not sent: the account is deactivated"
        if kind == PROOF_MAIL or (since := find_refusal(tx, recipient, at)) is None:
            return None
        return f"not sent: the address has refused mail since {format_iso(since)}"

    def record_refusal(self, tx: Connection, recipient: str, at: Millis) -> None:
        """Record that an address refuses mail for good."""
        person = people.find_by_email(tx, recipient)
        if person is not None and person.undeliverable_since is None:
            people.mark_undeliverable(tx, person, DESK_ACTOR, at)
        mark_invitations(tx, recipient, at)


def mark_invitations(tx: Connection, address: str, at: Millis) -> None:
    """Record on the open invitations of an address that their mail was refused."""
    theirs = is_open(at) & (invitations.c.email == address) & invitations.c.refused_at.is_(None)
    statement = update(invitations).where(theirs).values(refused_at=at)
    for row in fetch_all(tx, statement.returning(*invitations.c), InvitationRow):
        workspace = channels.organization(row.organization)
        record_invitation_event(
            tx, DESK_ACTOR, InvitationUndeliverable, workspace, row.id, row.email, row.role
        )
