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
from deskwire.accounts.authentication import Visit, sign_up
from deskwire.accounts.people import Person, parse_email
from deskwire.accounts.sessions import Opened
from deskwire.events import channels, log
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF, PersonId, Workspace
from deskwire.events.types.registry import InvitationAccepted, InvitationCreated, InvitationRevoked
from deskwire.kit import mail
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import lock, metadata
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import digest, new_id, new_secret
from deskwire.kit.mail import Letter
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.members import join, read_members
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    organization_of,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    RIGHTS,
    Right,
    demand,
    demand_among,
    rights_in,
)

LIFETIME = 7 * DAY  # long enough for a holiday, short enough to be forgotten in a mailbox
MAX_OPEN = 50  # invitations of an organization; each is a mail to somebody who may not want it

Compose = Callable[[str, str, str], Letter]  # who invites, into what, and the link's secret

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
    proves: bool = False  # whether the link it was found by proves the address


def invite(
    tx: Connection,
    deed: Deed,
    organization: str,
    email: str,
    role: str,
    compose: Compose | None = None,
    source: str | None = None,
) -> str:
    """Invite an address into an organization; the secret of the link to be shown. An open one for
    the same address ends with it.

    `compose` writes the mail with the other link; None: no mail is sent. `source`: the network
    address of who asks, whose mails are counted.
    """
    place = read_visible_by_id(tx, deed.viewer, organization)
    demand(deed.viewer, Right.INVITE, place.workspace)
    address = parse_email(email)
    if compose is not None:
        rate_limit.count_mail(tx, address, source, deed.at)
    _check_role(tx, deed, place, role)
    lock(tx, f"invitations of {place.id}")
    if any(member.email == address for member in read_members(tx, place.id)):
        sentence = gettext("%(address)s is a member already.", address=address)
        raise Conflict(sentence)
    older = and_(is_open(deed.at), invitations.c.organization == place.id)
    tx.execute(
        update(invitations).where(older, invitations.c.email == address).values(revoked_at=deed.at)
    )
    _check_room(tx, place, older)
    secret, mailed = new_secret(), new_secret()
    id_ = new_id()
    row = {
        "id": id_,
        "organization": place.id,
        "email": address,
        "role": role,
        "token_hash": digest(secret),
        "mailed_hash": digest(mailed) if compose is not None else None,
        "invited_by": deed.person,
        "created_at": deed.at,
        "expires_at": deed.at + LIFETIME,
    }
    tx.execute(insert(invitations).values(row))
    _tell(tx, deed.person, InvitationCreated, place.workspace, id_, address, role)
    if compose is not None:
        inviter = people.find(tx, deed.person)
        letter = compose(inviter.name if inviter else place.name, place.name, mailed)
        mail.queue(tx, address, letter.subject, letter.text, letter.html, deed.at)
    return secret


def revoke(tx: Connection, deed: Deed, id_: str, invitation: str) -> None:
    """Take an invitation back. NotFound where there is none that is open."""
    place = read_visible_by_id(tx, deed.viewer, id_)
    demand(deed.viewer, Right.INVITE, place.workspace)
    mine = and_(
        is_open(deed.at),
        invitations.c.organization == place.id,
        invitations.c.id == invitation,
    )
    taken = update(invitations).where(mine).values(revoked_at=deed.at).returning(invitations)
    row = tx.execute(taken).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such invitation, or it is over."))
    _tell(tx, deed.person, InvitationRevoked, place.workspace, row.id, row.email, row.role)


def revoke_made(
    tx: Connection, inviter: PersonId, actor: str, at: Millis, organization: str | None = None
) -> None:
    """Take back every open invitation that somebody made who is here no more, or no more in one
    organization."""
    made = invitations.c.invited_by == inviter
    if organization is not None:
        made = and_(made, invitations.c.organization == organization)
    _revoke_all(tx, made, actor, at)


def revoke_unbacked(tx: Connection, inviter: PersonId, actor: str, at: Millis) -> None:
    """Take back the open invitations somebody made whose roles do not allow them any more: they
    know the links, and could let themselves in again under another address."""
    held = tx.execute(_memberships_of(inviter)).all()
    theirs = and_(is_open(at), invitations.c.invited_by == inviter)
    unbacked = [
        row.id
        for row in tx.execute(select(invitations).where(theirs))
        if not needed_for(row.role) <= _rights_of(held, row.organization)
    ]
    if unbacked:
        _revoke_all(tx, invitations.c.id.in_(unbacked), actor, at)


def needed_for(role: str) -> frozenset[Right]:
    """What whoever invites somebody with this role needs."""
    return frozenset({Right.INVITE, Right.MEMBERS} if role == "admin" else {Right.INVITE})


def _memberships_of(person: PersonId) -> Select[Any]:
    member, joined = organization_members, organizations.c.id == organization_members.c.organization
    return (
        select(member.c.organization, member.c.role, organizations.c.internal)
        .join(organizations, joined)
        .where(member.c.person == person)
        .order_by(member.c.organization)
    )


def _rights_of(held: Iterable[Row[Any]], organization: str) -> frozenset[Right]:
    """What `_memberships_of` somebody allow them in an organization."""
    here = (each for each in held if each.internal or each.organization == organization)
    return frozenset[Right]().union(*(RIGHTS[each.role] for each in here))


def _hold_rights(tx: Connection, person: PersonId, organization: str) -> frozenset[Right]:
    """What somebody may do in an organization now, and until this transaction ends.

    Whoever takes a role or an account away changes its row first and looks for invitations then:
    so they find the one that is made here, or here their change is found.
    """
    held = tx.execute(_memberships_of(person).with_for_update(of=organization_members)).all()
    account = people.people
    gone = select(account.c.deactivated_at).where(account.c.id == person).with_for_update()
    is_shut_out = tx.execute(gone).scalar_one() is not None
    return frozenset() if is_shut_out else _rights_of(held, organization)


def _revoke_all(tx: Connection, chosen: ColumnElement[bool], actor: str, at: Millis) -> None:
    taken = update(invitations).where(is_open(at), chosen).values(revoked_at=at)
    for row in tx.execute(taken.returning(invitations)).all():
        place = channels.organization(row.organization)
        _tell(tx, actor, InvitationRevoked, place, row.id, row.email, row.role)


def is_open(at: Millis) -> ColumnElement[bool]:
    """The invitations that can still be accepted."""
    return and_(
        invitations.c.accepted_at.is_(None),
        invitations.c.revoked_at.is_(None),
        invitations.c.expires_at > at,
    )


def read_open(tx: Connection, organization: str, at: Millis) -> list[Invitation]:
    """The invitations of an organization that can still be accepted, the newest first."""
    mine = and_(is_open(at), invitations.c.organization == organization)
    rows = tx.execute(select(invitations).where(mine).order_by(invitations.c.id.desc()))
    return [Invitation(row.id, row.email, row.role, row.expires_at) for row in rows]


def find(tx: Connection, secret: str, at: Millis) -> tuple[Organization, Invitation]:
    """What a link invites to; NotFound where it cannot be used any more."""
    row = _row(tx, secret, at)
    place = tx.execute(select(organizations).where(organizations.c.id == row.organization)).one()
    if place.deleted_at is not None:
        raise NotFound(gettext(OVER))
    proves = row.mailed_hash == digest(secret)
    return organization_of(place), Invitation(row.id, row.email, row.role, row.expires_at, proves)


OVER = N_("This invitation was used, taken back, has expired, or never existed. Ask for a new one.")


def lacks_proof(invitation: Invitation, person: Person, mails: bool) -> bool:
    """Whether somebody has yet to prove the invited address before they accept.

    `mails`: whether this desk sends mail; where it does not, nobody could, and the link that was
    handed to them is all the proof there is.
    """
    return mails and not invitation.proves and person.email_verified_at is None


def accept(tx: Connection, deed: Deed, secret: str, *, mails: bool = True) -> Organization:
    """Become a member by a link. Forbidden for who has another address than it was made for, or
    `lacks_proof` that it is theirs."""
    place, invitation = find(tx, secret, deed.at)
    person = people.find(tx, deed.person)
    if person is None or person.email != invitation.email:
        raise Forbidden(
            gettext(
                "This invitation is for %(email)s. Sign in with that address.",
                email=masked(invitation.email),
            )
        )
    if lacks_proof(invitation, person, mails):
        raise Forbidden(
            gettext(
                "Confirm first that %(email)s is yours: open the link we mailed to it. Then join.",
                email=invitation.email,
            )
        )
    used = and_(is_open(deed.at), invitations.c.id == invitation.id)
    values = {"accepted_at": deed.at, "accepted_by": deed.person}
    if tx.execute(update(invitations).where(used).values(values)).rowcount == 0:
        raise NotFound(gettext(OVER))  # somebody was faster
    if invitation.proves and person.email_verified_at is None:
        people.change(tx, person.id, email_verified_at=deed.at, at=deed.at)
    told = (invitation.id, invitation.email, invitation.role)
    _tell(tx, deed.person, InvitationAccepted, place.workspace, *told)
    join(tx, deed, place, deed.person, invitation.role)
    return place


def enter(
    tx: Connection,
    secret: str,
    name: str,
    hash_: str,
    visit: Visit,
    at: Millis,
    verification: mail_links.Compose | None,
) -> tuple[Organization | None, Opened]:
    """Make an account for the address of an invitation, accept it, and sign in. Conflict where the
    address has an account.

    `verification` writes the mail that proves the address, where the link does not; None: this desk
    sends none. Where it has to be opened first, nothing is accepted yet, and no organization given.
    """
    _, invitation = find(tx, secret, at)
    letter = None if invitation.proves else verification
    opened = sign_up(tx, name, invitation.email, hash_, visit, at, letter)
    if letter is not None:
        return None, opened
    return accept(tx, Deed(Viewer(opened.session.person, ()), at), secret, mails=False), opened


def masked(email: str) -> str:
    """`bo@example.org` → `b…@example.org`: enough to know one's own address."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}"


def _check_role(tx: Connection, deed: Deed, place: Organization, role: str) -> None:
    if place.internal:
        raise Forbidden(
            gettext("Who is of the team is decided in the shell: deskwire people employ.")
        )
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext("There is no such role."),
            {"role": gettext("One of %(words)s", words=", ".join(CLIENT_ROLES))},
        )
    rights = rights_in(deed.viewer, place.workspace) & _hold_rights(tx, deed.person, place.id)
    demand_among(rights, Right.INVITE)
    if not needed_for(role) <= rights:
        raise Forbidden(gettext("Only an admin invites another admin."))


def _check_room(tx: Connection, place: Organization, chosen: ColumnElement[bool]) -> None:
    held = tx.execute(select(func.count()).select_from(invitations).where(chosen)).scalar_one()
    if held >= MAX_OPEN:
        raise Conflict(
            gettext(
                "%(place)s has %(held)s open invitations, which is the most there may be. Take "
                "some back, or wait until they are accepted.",
                place=place.name,
                held=held,
            )
        )


def _row(tx: Connection, secret: str, at: Millis) -> Row[Any]:
    hashed = digest(secret)
    is_it = or_(invitations.c.token_hash == hashed, invitations.c.mailed_hash == hashed)
    mine = and_(is_open(at), is_it)
    row = tx.execute(select(invitations).where(mine)).one_or_none()
    if row is None:
        raise NotFound(gettext(OVER))
    return row


def _tell(
    tx: Connection,
    actor: str,
    kind: type[InvitationCreated | InvitationAccepted | InvitationRevoked],
    place: Workspace,
    id_: str,
    email: str,
    role: str,
) -> None:
    # Every member hears it and the log keeps it; the address is for those who may invite.
    shown = masked(email)
    event = kind(workspace=place, actor=actor, invitation=id_, email=shown, role=role)
    log.append(tx, event, channels=[place, STAFF])
