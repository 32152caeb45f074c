"""Accept an invitation, as an existing person or by signing up."""

from __future__ import annotations

from sqlalchemy import Connection, update

from deskwire.accounts import mail_links, people
from deskwire.accounts.authentication import Browser, sign_up
from deskwire.accounts.people import Person, mask_email
from deskwire.accounts.sessions import NewSession
from deskwire.dispatches import timers
from deskwire.events.access import Viewer
from deskwire.events.types.registry import InvitationAccepted
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden, NotFound
from deskwire.kit.i18n import gettext
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.invitation_events import record_invitation_event
from deskwire.workspaces.organizations.invitations import (
    EXPIRY_TIMER,
    OVER_MESSAGE,
    OWN_INVITATION_MESSAGE,
    Invitation,
    find_by_token,
    invitations,
    is_open,
)
from deskwire.workspaces.organizations.members import add_member
from deskwire.workspaces.organizations.organizations import Organization


def needs_email_proof(invitation: Invitation, person: Person, sends_mail: bool) -> bool:
    """Whether a person has to verify the invited address before they accept.

    `sends_mail` says whether this desk sends mail; if it does not, no one could verify an address,
    and having the link is the only proof.
    """
    return sends_mail and not invitation.proves_email and person.email_verified_at is None


def accept(tx: Connection, actor: Actor, token: str, *, sends_mail: bool = True) -> Organization:
    """Make the actor a member by an invitation's link. Returns the organization.

    Raises NotFound if the link is not usable any more, Forbidden if the invitation is for another
    address, is the actor's own, or they have to verify their address first (`needs_email_proof`).
    """
    organization, invitation = find_by_token(tx, token, actor.at)
    person = people.find(tx, actor.person_id)
    if person is None or person.email != invitation.email:
        raise Forbidden(
            gettext(
                "This invitation is for %(email)s. Sign in with that address.",
                email=mask_email(invitation.email),
            )
        )
    if invitation.invited_by == person.id:  # the address has become theirs since
        raise Forbidden(gettext(OWN_INVITATION_MESSAGE))
    if needs_email_proof(invitation, person, sends_mail):
        raise Forbidden(
            gettext(
                "Confirm that %(email)s is yours before you join: open the link we sent to it.",
                email=invitation.email,
            )
        )
    statement = update(invitations).where(is_open(actor.at), invitations.c.id == invitation.id)
    statement = statement.values(accepted_at=actor.at, accepted_by=actor.person_id)
    if tx.execute(statement).rowcount == 0:
        raise NotFound(gettext(OVER_MESSAGE))  # accepted or revoked by a concurrent request
    timers.cancel(tx, EXPIRY_TIMER, invitation.id)
    is_proven = person.email_verified_at is not None and person.undeliverable_since is None
    if invitation.proves_email and not is_proven:
        people.update_person_row(tx, person.id, email_verified_at=actor.at, at=actor.at)
    record_invitation_event(
        tx,
        actor.person_id,
        InvitationAccepted,
        organization.workspace,
        invitation.id,
        invitation.email,
        invitation.role,
    )
    add_member(tx, actor, organization, actor.person_id, invitation.role)
    return organization


def sign_up_and_accept(
    tx: Connection,
    token: str,
    name: str,
    password_hash: str,
    browser: Browser,
    at: Millis,
    compose_verification: mail_links.ComposeLinkMail | None,
) -> tuple[Organization | None, NewSession]:
    """Create an account for the invited address, accept the invitation, and sign in.

    `compose_verification` writes the mail that verifies the address, for a link that does not prove
    it; None if this desk sends no mail. If that mail has to be opened first, the invitation is not
    accepted yet, and the returned organization is None.

    Raises NotFound if the link is not usable any more, Conflict if the address has an account.
    """
    _, invitation = find_by_token(tx, token, at)
    compose_mail = None if invitation.proves_email else compose_verification
    new = sign_up(tx, name, invitation.email, password_hash, browser, at, compose_mail)
    if compose_mail is not None:
        return None, new
    actor = Actor(Viewer(new.session.person, ()), at)
    return accept(tx, actor, token, sends_mail=False), new
