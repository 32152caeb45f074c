"""Invitations into an organization: bound to an address, proven by a link, over after a while.

The link's secret is shown once, to who invites; the row keeps its digest. Whoever holds it proves
that they were given it, so it counts for the address it was made for, and for no other.
"""

from __future__ import annotations

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
    Table,
    Text,
    and_,
    insert,
    select,
    update,
)

from deskwire.accounts import people
from deskwire.accounts.people import parse_email
from deskwire.events import log
from deskwire.events.catalogue import InvitationAccepted, InvitationCreated, InvitationRevoked
from deskwire.events.channels import STAFF, PersonId
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import lock, metadata
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.ids import digest, new_id, new_secret
from deskwire.workspaces.deeds import Deed
from deskwire.workspaces.membership import join, read_members
from deskwire.workspaces.organizations import (
    Organization,
    organization_of,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.rights import CLIENT_ROLES, Right, demand, may

LIFETIME = 7 * DAY  # long enough for a holiday, short enough to be forgotten in a mailbox

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
    Index("ix_invitations_email", "email"),
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that can still be accepted."""

    id: str
    email: str
    role: str
    expires_at: Millis


def invite(tx: Connection, deed: Deed, organization: str, email: str, role: str) -> str:
    """Invite an address into an organization; the link's secret. An open one ends with it."""
    place = read_visible_by_id(tx, deed.viewer, organization)
    demand(deed.viewer, Right.INVITE, place.workspace)
    address = parse_email(email)
    _check_role(deed, place, role)
    lock(tx, f"invitations of {place.id}")
    if any(member.email == address for member in read_members(tx, place.id)):
        sentence = f"{address} is a member already."
        raise Conflict(sentence)
    older = and_(_is_open(deed.at), invitations.c.organization == place.id)
    tx.execute(
        update(invitations).where(older, invitations.c.email == address).values(revoked_at=deed.at)
    )
    secret = new_secret()
    id_ = new_id()
    row = {
        "id": id_,
        "organization": place.id,
        "email": address,
        "role": role,
        "token_hash": digest(secret),
        "invited_by": deed.person,
        "created_at": deed.at,
        "expires_at": deed.at + LIFETIME,
    }
    tx.execute(insert(invitations).values(row))
    _tell(tx, deed, InvitationCreated, place, id_, address, role)
    return secret


def revoke(tx: Connection, deed: Deed, id_: str, invitation: str) -> None:
    """Take an invitation back. NotFound where there is none that is open."""
    place = read_visible_by_id(tx, deed.viewer, id_)
    demand(deed.viewer, Right.INVITE, place.workspace)
    mine = and_(
        _is_open(deed.at),
        invitations.c.organization == place.id,
        invitations.c.id == invitation,
    )
    taken = update(invitations).where(mine).values(revoked_at=deed.at).returning(invitations)
    row = tx.execute(taken).one_or_none()
    if row is None:
        raise NotFound("There is no such invitation, or it is over.")
    _tell(tx, deed, InvitationRevoked, place, row.id, row.email, row.role)


def read_open(tx: Connection, organization: str, at: Millis) -> list[Invitation]:
    """The invitations of an organization that can still be accepted, the newest first."""
    mine = and_(_is_open(at), invitations.c.organization == organization)
    rows = tx.execute(select(invitations).where(mine).order_by(invitations.c.id.desc()))
    return [Invitation(row.id, row.email, row.role, row.expires_at) for row in rows]


def find(tx: Connection, secret: str, at: Millis) -> tuple[Organization, Invitation]:
    """What a link invites to; NotFound where it cannot be used any more."""
    row = _row(tx, secret, at)
    place = tx.execute(select(organizations).where(organizations.c.id == row.organization)).one()
    if place.deleted_at is not None:
        raise NotFound(OVER)
    return organization_of(place), Invitation(row.id, row.email, row.role, row.expires_at)


OVER = "This invitation was used, taken back, has expired, or never existed. Ask for a new one."


def accept(tx: Connection, deed: Deed, secret: str) -> Organization:
    """Become a member by a link. Forbidden for who has another address than it was made for."""
    place, invitation = find(tx, secret, deed.at)
    person = people.find(tx, deed.person)
    if person is None or person.email != invitation.email:
        raise Forbidden(
            f"This invitation is for {masked(invitation.email)}. Sign in with that address."
        )
    used = and_(_is_open(deed.at), invitations.c.id == invitation.id)
    values = {"accepted_at": deed.at, "accepted_by": deed.person}
    if tx.execute(update(invitations).where(used).values(values)).rowcount == 0:
        raise NotFound(OVER)  # somebody was faster
    if person.email_verified_at is None:
        people.change(tx, person.id, email_verified_at=deed.at, at=deed.at)
    _tell(tx, deed, InvitationAccepted, place, invitation.id, invitation.email, invitation.role)
    join(tx, deed, place, deed.person, invitation.role)
    return place


def masked(email: str) -> str:
    """`bo@example.org` → `b…@example.org`: enough to know one's own address."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@{domain}"


def _check_role(deed: Deed, place: Organization, role: str) -> None:
    if place.internal:
        raise Forbidden("Who is of the team is decided in the shell: deskwire people employ.")
    if role not in CLIENT_ROLES:
        raise Invalid("There is no such role.", {"role": f"One of {', '.join(CLIENT_ROLES)}"})
    if role == "admin" and not may(deed.viewer, Right.MEMBERS, place.workspace):
        raise Forbidden("Only an admin invites another admin.")


def _row(tx: Connection, secret: str, at: Millis) -> Row[Any]:
    mine = and_(_is_open(at), invitations.c.token_hash == digest(secret))
    row = tx.execute(select(invitations).where(mine)).one_or_none()
    if row is None:
        raise NotFound(OVER)
    return row


def _is_open(at: Millis) -> ColumnElement[bool]:
    return and_(
        invitations.c.accepted_at.is_(None),
        invitations.c.revoked_at.is_(None),
        invitations.c.expires_at > at,
    )


def _tell(
    tx: Connection,
    deed: Deed,
    kind: type[InvitationCreated | InvitationAccepted | InvitationRevoked],
    place: Organization,
    id_: PersonId,
    email: str,
    role: str,
) -> None:
    event = kind(
        workspace=place.workspace, actor=deed.person, invitation=id_, email=email, role=role
    )
    log.append(tx, event, channels=[place.workspace, STAFF])
