"""Invitations into an organization: bound to an address, proven by a link, over after a while.

There are two links to each: one is shown once, to who invites, the other is mailed. Either lets the
person with that address in, and nobody else. Only the one that was mailed proves that the address
is theirs: who invites could use the other one themselves. So by that one an address is proven
first, wherever a desk sends mail to prove it by. The row keeps digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Row,
    Select,
    Table,
    Text,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)

from deskwire.accounts import mail_links, people, rate_limit
from deskwire.accounts.authentication import Browser, sign_up
from deskwire.accounts.people import Person, parse_email
from deskwire.accounts.sessions import NewSession
from deskwire.events import channels, log
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, PersonId, Workspace
from deskwire.events.types.registry import InvitationAccepted, InvitationCreated, InvitationRevoked
from deskwire.kit import mail
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import hash_secret, new_id, new_secret
from deskwire.kit.mail import MailContent
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.members import add_member, read_members
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_from_row,
    organization_members,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    ROLE_PERMISSIONS,
    Permission,
    permissions_in,
    require,
    require_in,
)

LIFETIME = 7 * DAY  # long enough for a holiday, short enough to be forgotten in a mailbox
MAX_OPEN_INVITATIONS = 50  # per organization; each is a mail that may be unwanted

ComposeInvitationMail = Callable[
    [str, str, str], MailContent
]  # who invites, into what, and the link's secret

invitations = Table(
    "invitations",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("organization", Text, ForeignKey("organizations.id"), nullable=False),
    Column("email", Text, nullable=False),  # as `parse_email` gives it
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("invited_by", Text, nullable=False),  # person
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("expires_at", BigInteger, nullable=False),  # ms
    Column("accepted_at", BigInteger),  # ms
    Column("accepted_by", Text),  # person
    Column("revoked_at", BigInteger),  # ms
    Index("ix_invitations_organization", "organization"),
    Column("mailed_hash", Text),  # of the link that was mailed; None: none was
    Index("ix_invitations_email", "email"),
    Index("ix_invitations_mailed_hash", "mailed_hash", unique=True),
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that can still be accepted."""

    id: str
    email: str
    role: str
    expires_at: Millis
    proves_email: bool = False  # whether the link it was found by proves the address


def invite(
    tx: Connection,
    actor: Actor,
    organization_id: str,
    email: str,
    role: str,
    compose_mail: ComposeInvitationMail | None = None,
    client_ip: str | None = None,
) -> str:
    """Invite an address into an organization; the secret of the link to be shown. An open one for
    the same address ends with it.

    `compose` writes the mail with the other link; None: no mail is sent. `source`: the network
    address of who asks, whose mails are counted.
    """
    place = read_visible_by_id(tx, actor.viewer, organization_id)
    require(actor.viewer, Permission.INVITE, place.workspace)
    address = parse_email(email)
    if compose_mail is not None:
        rate_limit.count_mail(tx, address, client_ip, actor.at)
    _check_invited_role(tx, actor, place, role)
    acquire_advisory_lock(tx, f"invitations of {place.id}")
    if any(member.email == address for member in read_members(tx, place.id)):
        sentence = gettext("%(address)s is a member already.", address=address)
        raise Conflict(sentence)
    older = and_(is_open(actor.at), invitations.c.organization == place.id)
    tx.execute(
        update(invitations).where(older, invitations.c.email == address).values(revoked_at=actor.at)
    )
    _check_invitation_limit(tx, place, older)
    secret, mailed = new_secret(), new_secret()
    id_ = new_id()
    row = {
        "id": id_,
        "organization": place.id,
        "email": address,
        "role": role,
        "token_hash": hash_secret(secret),
        "mailed_hash": hash_secret(mailed) if compose_mail is not None else None,
        "invited_by": actor.person_id,
        "created_at": actor.at,
        "expires_at": actor.at + LIFETIME,
    }
    tx.execute(insert(invitations).values(row))
    _record_event(tx, actor.person_id, InvitationCreated, place.workspace, id_, address, role)
    if compose_mail is not None:
        inviter = people.find(tx, actor.person_id)
        letter = compose_mail(inviter.name if inviter else place.name, place.name, mailed)
        mail.queue(tx, address, letter.subject, letter.text, letter.html, actor.at)
    return secret


def revoke(tx: Connection, actor: Actor, organization_id: str, invitation_id: str) -> None:
    """Take an invitation back. NotFound where there is none that is open."""
    place = read_visible_by_id(tx, actor.viewer, organization_id)
    require(actor.viewer, Permission.INVITE, place.workspace)
    mine = and_(
        is_open(actor.at),
        invitations.c.organization == place.id,
        invitations.c.id == invitation_id,
    )
    taken = update(invitations).where(mine).values(revoked_at=actor.at).returning(invitations)
    row = tx.execute(taken).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such invitation, or it is over."))
    _record_event(
        tx, actor.person_id, InvitationRevoked, place.workspace, row.id, row.email, row.role
    )


def revoke_all_by(
    tx: Connection,
    inviter_id: PersonId,
    actor_id: str,
    at: Millis,
    organization_id: str | None = None,
) -> None:
    """Take back every open invitation that somebody made who is here no more, or no more in one
    organization."""
    made = invitations.c.invited_by == inviter_id
    if organization_id is not None:
        made = and_(made, invitations.c.organization == organization_id)
    _revoke_where(tx, made, actor_id, at)


def revoke_unauthorized(tx: Connection, inviter_id: PersonId, actor_id: str, at: Millis) -> None:
    """Take back the open invitations somebody made whose roles do not allow them any more: they
    know the links, and could let themselves in again under another address."""
    held = tx.execute(_select_memberships(inviter_id)).all()
    theirs = and_(is_open(at), invitations.c.invited_by == inviter_id)
    unbacked = [
        row.id
        for row in tx.execute(select(invitations).where(theirs))
        if not permissions_to_invite(row.role) <= _permissions_from(held, row.organization)
    ]
    if unbacked:
        _revoke_where(tx, invitations.c.id.in_(unbacked), actor_id, at)


def permissions_to_invite(role: str) -> frozenset[Permission]:
    """What whoever invites somebody with this role needs."""
    return frozenset(
        {Permission.INVITE, Permission.MEMBERS} if role == "admin" else {Permission.INVITE}
    )


def _select_memberships(person_id: PersonId) -> Select[Any]:
    member, joined = organization_members, organizations.c.id == organization_members.c.organization
    return (
        select(member.c.organization, member.c.role, organizations.c.internal)
        .join(organizations, joined)
        .where(member.c.person == person_id)
        .order_by(member.c.organization)
    )


def _permissions_from(
    memberships: Iterable[Row[Any]], organization_id: str
) -> frozenset[Permission]:
    """What `_memberships_of` somebody allow them in an organization."""
    here = (each for each in memberships if each.internal or each.organization == organization_id)
    return frozenset[Permission]().union(*(ROLE_PERMISSIONS[each.role] for each in here))


def _lock_permissions(
    tx: Connection, person_id: PersonId, organization_id: str
) -> frozenset[Permission]:
    """What somebody may do in an organization now, and until this transaction ends.

    Whoever takes a role or an account away changes its row first and looks for invitations then:
    so they find the one that is made here, or here their change is found.
    """
    held = tx.execute(_select_memberships(person_id).with_for_update(of=organization_members)).all()
    account = people.people
    gone = select(account.c.deactivated_at).where(account.c.id == person_id).with_for_update()
    is_shut_out = tx.execute(gone).scalar_one() is not None
    return frozenset() if is_shut_out else _permissions_from(held, organization_id)


def _revoke_where(
    tx: Connection, condition: ColumnElement[bool], actor_id: str, at: Millis
) -> None:
    taken = update(invitations).where(is_open(at), condition).values(revoked_at=at)
    for row in tx.execute(taken.returning(invitations)).all():
        place = channels.organization(row.organization)
        _record_event(tx, actor_id, InvitationRevoked, place, row.id, row.email, row.role)


def is_open(at: Millis) -> ColumnElement[bool]:
    """The invitations that can still be accepted."""
    return and_(
        invitations.c.accepted_at.is_(None),
        invitations.c.revoked_at.is_(None),
        invitations.c.expires_at > at,
    )


def list_open_invitations(tx: Connection, organization_id: str, at: Millis) -> list[Invitation]:
    """The invitations of an organization that can still be accepted, the newest first."""
    mine = and_(is_open(at), invitations.c.organization == organization_id)
    rows = tx.execute(select(invitations).where(mine).order_by(invitations.c.id.desc()))
    return [Invitation(row.id, row.email, row.role, row.expires_at) for row in rows]


def find_by_token(tx: Connection, token: str, at: Millis) -> tuple[Organization, Invitation]:
    """What a link invites to; NotFound where it cannot be used any more."""
    row = _read_open_row(tx, token, at)
    place = tx.execute(select(organizations).where(organizations.c.id == row.organization)).one()
    if place.deleted_at is not None:
        raise NotFound(gettext(OVER_MESSAGE))
    proves = row.mailed_hash == hash_secret(token)
    return organization_from_row(place), Invitation(
        row.id, row.email, row.role, row.expires_at, proves
    )


OVER_MESSAGE = N_(
    "This invitation was used, taken back, has expired, or never existed. Ask for a new one."
)


def needs_email_proof(invitation: Invitation, person: Person, sends_mail: bool) -> bool:
    """Whether somebody has yet to prove the invited address before they accept.

    `mails`: whether this desk sends mail; where it does not, nobody could, and the link that was
    handed to them is all the proof there is.
    """
    return sends_mail and not invitation.proves_email and person.email_verified_at is None


def accept(tx: Connection, actor: Actor, token: str, *, sends_mail: bool = True) -> Organization:
    """Become a member by a link. Forbidden for who has another address than it was made for, or
    `lacks_proof` that it is theirs."""
    place, invitation = find_by_token(tx, token, actor.at)
    person = people.find(tx, actor.person_id)
    if person is None or person.email != invitation.email:
        raise Forbidden(
            gettext(
                "This invitation is for %(email)s. Sign in with that address.",
                email=mask_email(invitation.email),
            )
        )
    if needs_email_proof(invitation, person, sends_mail):
        raise Forbidden(
            gettext(
                "Confirm first that %(email)s is yours: open the link we mailed to it. Then join.",
                email=invitation.email,
            )
        )
    used = and_(is_open(actor.at), invitations.c.id == invitation.id)
    values = {"accepted_at": actor.at, "accepted_by": actor.person_id}
    if tx.execute(update(invitations).where(used).values(values)).rowcount == 0:
        raise NotFound(gettext(OVER_MESSAGE))  # somebody was faster
    if invitation.proves_email and person.email_verified_at is None:
        people.update_person_row(tx, person.id, email_verified_at=actor.at, at=actor.at)
    told = (invitation.id, invitation.email, invitation.role)
    _record_event(tx, actor.person_id, InvitationAccepted, place.workspace, *told)
    add_member(tx, actor, place, actor.person_id, invitation.role)
    return place


def sign_up_and_accept(
    tx: Connection,
    token: str,
    name: str,
    password_hash: str,
    browser: Browser,
    at: Millis,
    compose_verification: mail_links.ComposeLinkMail | None,
) -> tuple[Organization | None, NewSession]:
    """Make an account for the address of an invitation, accept it, and sign in. Conflict where the
    address has an account.

    `verification` writes the mail that proves the address, where the link does not; None: this desk
    sends none. Where it has to be opened first, nothing is accepted yet, and no organization given.
    """
    _, invitation = find_by_token(tx, token, at)
    letter = None if invitation.proves_email else compose_verification
    opened = sign_up(tx, name, invitation.email, password_hash, browser, at, letter)
    if letter is not None:
        return None, opened
    return accept(tx, Actor(Viewer(opened.session.person, ()), at), token, sends_mail=False), opened


def mask_email(email: str) -> str:
    """`bo@example.org` → `b…@example.org`: enough to know one's own address."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}"


def _check_invited_role(
    tx: Connection, actor: Actor, organization: Organization, role: str
) -> None:
    if organization.internal:
        raise Forbidden(
            gettext("Who is of the team is decided in the shell: deskwire people employ.")
        )
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext("There is no such role."),
            {"role": gettext("One of %(words)s", words=", ".join(CLIENT_ROLES))},
        )
    rights = permissions_in(actor.viewer, organization.workspace) & _lock_permissions(
        tx, actor.person_id, organization.id
    )
    require_in(rights, Permission.INVITE)
    if not permissions_to_invite(role) <= rights:
        raise Forbidden(gettext("Only an admin invites another admin."))


def _check_invitation_limit(
    tx: Connection, organization: Organization, condition: ColumnElement[bool]
) -> None:
    held = tx.execute(select(func.count()).select_from(invitations).where(condition)).scalar_one()
    if held >= MAX_OPEN_INVITATIONS:
        raise Conflict(
            gettext(
                "%(place)s has %(held)s open invitations, which is the most there may be. Take "
                "some back, or wait until they are accepted.",
                place=organization.name,
                held=held,
            )
        )


def _read_open_row(tx: Connection, token: str, at: Millis) -> Row[Any]:
    hashed = hash_secret(token)
    is_it = or_(invitations.c.token_hash == hashed, invitations.c.mailed_hash == hashed)
    mine = and_(is_open(at), is_it)
    row = tx.execute(select(invitations).where(mine)).one_or_none()
    if row is None:
        raise NotFound(gettext(OVER_MESSAGE))
    return row


def _record_event(
    tx: Connection,
    actor_id: str,
    event_type: type[InvitationCreated | InvitationAccepted | InvitationRevoked],
    workspace: Workspace,
    invitation_id: str,
    email: str,
    role: str,
) -> None:
    # Every member hears it and the log keeps it; the address is for those who may invite.
    shown = mask_email(email)
    event = event_type(
        workspace=workspace, actor=actor_id, invitation=invitation_id, email=shown, role=role
    )
    log.append(tx, event, channels=[workspace, STAFF_CHANNEL])
