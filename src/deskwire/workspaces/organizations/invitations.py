"""Invite people into organizations, and revoke invitations.

An invitation is bound to an email address and expires. It has two links: one is shown once to the
inviter, the other is mailed. Either admits the person with that address and no one else. Only the
mailed link proves that the address is theirs, because the inviter could open the other one
themselves; a person who comes by the shown link has to verify the address first, if the desk sends
mail. The row stores digests of the links' secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Table,
    Text,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)

from deskwire.accounts import people, rate_limit
from deskwire.accounts.people import parse_email
from deskwire.dispatches import mail, timers
from deskwire.dispatches.mail import MailContent
from deskwire.events import channels
from deskwire.events.channels import PersonId
from deskwire.events.types.registry import InvitationCreated, InvitationRevoked
from deskwire.kit.clock import DAY, Millis
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import Conflict, Forbidden, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import hash_secret, new_id, new_secret
from deskwire.kit.rows import fetch_all, fetch_first, fetch_one
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.invitation_events import record_invitation_event
from deskwire.workspaces.organizations.member_permissions import (
    list_roles,
    lock_permissions,
    permissions_from_roles,
)
from deskwire.workspaces.organizations.organizations import (
    Organization,
    OrganizationRow,
    organization_from_row,
    organization_members,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import (
    ClientRole,
    Permission,
    may_give,
    parse_client_role,
    permissions_in,
    require,
    require_in,
)

EXPIRY_TIMER = "invitation.expiry"  # of an open invitation; its key is the invitation's id
LIFETIME = 7 * DAY  # ms; long enough for a holiday, short enough to be harmless in a mailbox
STRANGER_MEMORY = 30 * DAY  # ms; then mail to an address without an account is tried again
MAX_OPEN_INVITATIONS = 50  # per organization; each may be an unwanted mail

# The inviter's name, the organization's name, the link's secret.
ComposeInvitationMail = Callable[[str, str, str], MailContent]

invitations = Table(
    "invitations",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("organization", Text, ForeignKey("organizations.id"), nullable=False),
    Column("email", Text, nullable=False),  # as parse_email returns it
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False, unique=True),
    Column("invited_by", Text, nullable=False),  # person
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("expires_at", BigInteger, nullable=False),  # ms
    Column("accepted_at", BigInteger),  # ms
    Column("accepted_by", Text),  # person
    Column("revoked_at", BigInteger),  # ms
    Index("ix_invitations_organization", "organization"),
    Column("mailed_hash", Text),  # of the mailed link; None: no mail was sent
    Column("refused_at", BigInteger),  # ms; its address refused mail for good
    Index("ix_invitations_email", "email"),
    Index("ix_invitations_mailed_hash", "mailed_hash", unique=True),
)


class InvitationRow:
    """A row of `invitations`."""

    id: str
    organization: str
    email: str
    role: ClientRole
    token_hash: str
    invited_by: str
    created_at: int
    expires_at: int
    accepted_at: int | None
    accepted_by: str | None
    revoked_at: int | None
    mailed_hash: str | None
    refused_at: int | None


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that can still be accepted."""

    id: str
    email: str
    role: str
    expires_at: Millis
    invited_by: PersonId
    refused_at: Millis | None = None  # when its address refused mail for good
    proves_email: bool = False  # whether it was found by the mailed link


def invite(
    tx: Connection,
    actor: Actor,
    organization_id: str,
    email: str,
    role: str,
    compose_mail: ComposeInvitationMail | None = None,
    client_ip: str | None = None,
) -> str:
    """Invite an address into an organization. Returns the secret of the link to be shown.

    It replaces an open invitation of the same address. `compose_mail` writes the mail with the
    other link; None sends no mail. Mails are rate-limited by `client_ip`, the inviter's.

    Raises Forbidden if the actor may not invite with this role or the address is their own, Invalid
    for a bad address or role, and Conflict if the address belongs to a member or the organization
    has too many open invitations.
    """
    organization = read_visible_by_id(tx, actor.viewer, organization_id)
    require(actor.viewer, Permission.INVITE, organization.workspace)
    address = parse_email(email)
    inviter = people.find(tx, actor.subject)
    if inviter is not None and inviter.email == address:
        raise Forbidden(gettext(OWN_INVITATION_MESSAGE))
    if compose_mail is not None:
        rate_limit.count_mail(tx, address, client_ip, actor.at)
    _check_invited_role(tx, actor, organization, role)
    acquire_advisory_lock(tx, f"invitations of {organization.id}")
    if _is_member(tx, organization.id, address):
        raise Conflict(gettext("%(address)s is already a member.", address=address))
    open_here = and_(is_open(actor.at), invitations.c.organization == organization.id)
    _withdraw_where(tx, and_(open_here, invitations.c.email == address), actor.at)
    _check_invitation_limit(tx, organization, open_here)
    shown_secret, mailed_secret = new_secret(), new_secret()
    invitation_id = _insert_invitation(
        tx,
        actor,
        organization,
        None if compose_mail is None else find_refusal(tx, address, actor.at),
        email=address,
        role=role,
        token_hash=hash_secret(shown_secret),
        mailed_hash=None if compose_mail is None else hash_secret(mailed_secret),
    )
    record_invitation_event(
        tx, actor.subject, InvitationCreated, organization.workspace, invitation_id, address, role
    )
    if compose_mail is not None:
        inviter_name = inviter.name if inviter else organization.name
        content = compose_mail(inviter_name, organization.name, mailed_secret)
        mail.queue_mail(tx, mail_key(invitation_id), address, content, actor.at)
    return shown_secret


def mail_key(invitation_id: str) -> str:
    """Return the key of the mail that brings an invitation."""
    return f"invitation:{invitation_id}"


def _insert_invitation(
    tx: Connection,
    actor: Actor,
    organization: Organization,
    refused_at: Millis | None,
    **columns: str | None,
) -> str:
    id_ = new_id()
    statement = insert(invitations).values(
        id=id_,
        organization=organization.id,
        invited_by=actor.subject,
        created_at=actor.at,
        expires_at=actor.at + LIFETIME,
        refused_at=refused_at,
        **columns,
    )
    tx.execute(statement)
    timers.schedule(tx, EXPIRY_TIMER, id_, actor.at + LIFETIME, at=actor.at)
    return id_


def find_refusal(tx: Connection, address: str, at: Millis) -> Millis | None:
    """Return when an address has refused mail for good; None if it takes mail, as far as known."""
    person = people.find_by_email(tx, address)
    if person is not None:
        return person.undeliverable_since
    recent = invitations.c.refused_at > at - STRANGER_MEMORY
    query = select(func.min(invitations.c.refused_at)).where(invitations.c.email == address, recent)
    since: Millis | None = tx.execute(query).scalar_one()
    return since


def _is_member(tx: Connection, organization_id: str, email: str) -> bool:
    member, person = organization_members.c, people.people.c
    query = (
        select(person.id)
        .join(organization_members, member.person == person.id)
        .where(member.organization == organization_id, person.email == email)
    )
    return tx.execute(query).first() is not None


def revoke(tx: Connection, actor: Actor, organization_id: str, invitation_id: str) -> None:
    """Revoke an open invitation. Raises NotFound if there is none."""
    organization = read_visible_by_id(tx, actor.viewer, organization_id)
    require(actor.viewer, Permission.INVITE, organization.workspace)
    condition = and_(
        invitations.c.organization == organization.id, invitations.c.id == invitation_id
    )
    if _revoke_where(tx, condition, actor.subject, actor.at) == 0:
        raise NotFound(gettext("This invitation doesn’t exist, or it’s no longer valid."))


def revoke_all_by(
    tx: Connection,
    inviter_id: PersonId,
    actor_id: str,
    at: Millis,
    organization_id: str | None = None,
) -> None:
    """Revoke all open invitations by a person, or those into one organization."""
    condition = invitations.c.invited_by == inviter_id
    if organization_id is not None:
        condition = and_(condition, invitations.c.organization == organization_id)
    _revoke_where(tx, condition, actor_id, at)


def revoke_unauthorized(tx: Connection, inviter_id: PersonId, actor_id: str, at: Millis) -> None:
    """Revoke a person's open invitations that their roles do not allow any more.

    They know the links, and could otherwise let themselves in again under another address.
    """
    roles = list_roles(tx, inviter_id)
    query = select(invitations).where(is_open(at), invitations.c.invited_by == inviter_id)
    unauthorized = [
        row.id
        for row in fetch_all(tx, query, InvitationRow)
        if not may_invite(permissions_from_roles(roles, row.organization), row.role)
    ]
    if unauthorized:
        _revoke_where(tx, invitations.c.id.in_(unauthorized), actor_id, at)


def may_invite(permissions: Collection[Permission], role: ClientRole) -> bool:
    """Whether `permissions` allow to invite someone with this role."""
    return Permission.INVITE in permissions and may_give(permissions, role)


def _revoke_where(tx: Connection, condition: ColumnElement[bool], actor_id: str, at: Millis) -> int:
    """Revoke the open invitations that meet `condition`. Returns their number."""
    rows = _withdraw_where(tx, condition, at)
    for row in rows:
        workspace = channels.organization(row.organization)
        record_invitation_event(
            tx, actor_id, InvitationRevoked, workspace, row.id, row.email, row.role
        )
    return len(rows)


def _withdraw_where(
    tx: Connection, condition: ColumnElement[bool], at: Millis
) -> Sequence[InvitationRow]:
    """Mark open invitations as revoked, delete their unsent mail and their timers.

    Returns their rows.
    """
    statement = update(invitations).where(is_open(at), condition).values(revoked_at=at)
    rows = fetch_all(tx, statement.returning(*invitations.c), InvitationRow)
    mail.withdraw(tx, [mail_key(row.id) for row in rows])
    timers.cancel_all(tx, EXPIRY_TIMER, [row.id for row in rows])
    return rows


def is_open(at: Millis) -> ColumnElement[bool]:
    """Select the invitations that can still be accepted."""
    return and_(
        invitations.c.accepted_at.is_(None),
        invitations.c.revoked_at.is_(None),
        invitations.c.expires_at > at,
    )


def list_open_invitations(tx: Connection, organization_id: str, at: Millis) -> list[Invitation]:
    """List an organization's invitations that can still be accepted, the newest first."""
    query = select(invitations).where(is_open(at), invitations.c.organization == organization_id)
    rows = fetch_all(tx, query.order_by(invitations.c.id.desc()), InvitationRow)
    return [_invitation_from_row(row) for row in rows]


def find_by_token(tx: Connection, token: str, at: Millis) -> tuple[Organization, Invitation]:
    """Find the open invitation of a link, and its organization.

    Raises NotFound if the link is not usable any more.
    """
    row = _read_open_row(tx, token, at)
    query = select(organizations).where(organizations.c.id == row.organization)
    organization = organization_from_row(fetch_one(tx, query, OrganizationRow))
    if organization.is_deleted:
        raise NotFound(gettext(OVER_MESSAGE))
    proves_email = row.mailed_hash == hash_secret(token)
    return organization, _invitation_from_row(row, proves_email=proves_email)


def _invitation_from_row(row: InvitationRow, *, proves_email: bool = False) -> Invitation:
    return Invitation(
        row.id,
        row.email,
        row.role,
        row.expires_at,
        row.invited_by,
        row.refused_at,
        proves_email=proves_email,
    )


OVER_MESSAGE = N_(
    "This invitation was already used, was revoked, has expired, or never existed. Ask "
    "for a new one."
)
OWN_INVITATION_MESSAGE = N_("You can’t invite yourself. Ask an admin of the organization.")


def _check_invited_role(
    tx: Connection, actor: Actor, organization: Organization, role: str
) -> None:
    if organization.internal:
        raise Forbidden(
            gettext("Team membership is managed from the command line: deskwire people employ.")
        )
    parsed = parse_client_role(role)
    permissions = permissions_in(actor.viewer, organization.workspace) & lock_permissions(
        tx, actor.subject, organization.id
    )
    require_in(permissions, Permission.INVITE)
    if not may_invite(permissions, parsed):
        raise Forbidden(gettext("Only an admin can invite another admin."))


def _check_invitation_limit(
    tx: Connection, organization: Organization, condition: ColumnElement[bool]
) -> None:
    count = tx.execute(select(func.count()).select_from(invitations).where(condition)).scalar_one()
    if count >= MAX_OPEN_INVITATIONS:
        raise Conflict(
            gettext(
                "%(place)s has reached the limit of %(held)s open invitations. Revoke some, or "
                "wait until they are accepted.",
                place=organization.name,
                held=count,
            )
        )


def _read_open_row(tx: Connection, token: str, at: Millis) -> InvitationRow:
    digest = hash_secret(token)
    matches = or_(invitations.c.token_hash == digest, invitations.c.mailed_hash == digest)
    query = select(invitations).where(is_open(at), matches)
    row = fetch_first(tx, query, InvitationRow)
    if row is None:
        raise NotFound(gettext(OVER_MESSAGE))
    return row
