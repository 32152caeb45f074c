"""Delete a person's account; what they wrote stays, under the name of a former member."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, select

from deskwire.accounts import identities, links, passwords, people, rate_limit, sessions
from deskwire.accounts.authentication import SignInAttempt, confirm_attempt
from deskwire.dispatches import mail
from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL, PersonId
from deskwire.events.redaction import FORMER_MEMBER
from deskwire.events.types.registry import MemberRemoved, NamedRef, PrincipalRef
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.i18n import gettext, ngettext
from deskwire.workspaces.name_index import update_name_index
from deskwire.workspaces.organizations.invitations import invitations, is_open, revoke_all_by
from deskwire.workspaces.organizations.members import (
    Membership,
    delete_membership_row,
    list_memberships,
)
from deskwire.workspaces.organizations.organizations import organization_members


def delete_account_except_tickets(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Delete an account: end all access, and erase the person's data outside their tickets.

    Requests assigned to them and lines that name them stay: call `offboarding.delete_account`
    instead. Raises Conflict, with what to do first, for the last admin of an organization, and
    NotFound if the account is deleted already.
    """
    person = people.find(tx, person_id)
    if person is None or person.deleted_at is not None:
        raise NotFound(gettext("This account is already deleted."))
    memberships = _lock_memberships(tx, person_id)
    _require_other_admins(tx, person_id, memberships)
    for membership in memberships:
        _end_membership(tx, person_id, membership, at)
    revoke_all_by(tx, person_id, person_id, at)
    _delete_credentials(tx, person, at)
    people.anonymize(tx, person_id, at)
    update_name_index(tx, person_id, gettext(FORMER_MEMBER))


def delete_account_except_tickets_if_confirmed(
    tx: Connection, attempt: SignInAttempt, at: Millis
) -> bool:
    """Delete the account of an attempt whose password matched.

    Returns False if the password was changed in the meantime. Call
    `offboarding.delete_account_if_confirmed` instead.
    """
    person_id = confirm_attempt(tx, attempt)
    if person_id is None:
        return False
    rate_limit.clear_failures(tx, attempt.attempt_id, attempt.email)
    delete_account_except_tickets(tx, person_id, at)
    return True


def _lock_memberships(tx: Connection, person_id: PersonId) -> Sequence[Membership]:
    """`list_memberships`, with all members of these organizations locked.

    Without the lock, two admins who leave at once would each count on the other.
    """
    member = organization_members.c
    own = select(member.organization).where(member.person == person_id)
    query = select(member.person).where(member.organization.in_(own))
    tx.execute(query.order_by(member.organization, member.person).with_for_update()).all()
    return list_memberships(tx, person_id)


def _require_other_admins(
    tx: Connection, person_id: PersonId, memberships: Iterable[Membership]
) -> None:
    """Raise Conflict, with what to do first, if an organization would be left without an admin."""
    shared: list[str] = []
    alone: list[str] = []
    for membership in memberships:
        roles = _read_other_roles(tx, person_id, membership.id)
        is_super_admin = membership.internal and membership.role == "super_admin"
        if is_super_admin and "super_admin" not in roles:
            raise Conflict(
                gettext(
                    "You are the last super admin. Make someone else a super admin first, then "
                    "delete your account."
                )
            )
        is_admin = not membership.internal and membership.role == "admin"
        if is_admin and "admin" not in roles:
            (shared if roles else alone).append(membership.name)
    if shared or alone:
        raise Conflict(
            " ".join(filter(None, (_last_admin_message(shared), _only_member_message(alone))))
        )


def _read_other_roles(tx: Connection, person_id: PersonId, organization_id: str) -> list[str]:
    member = organization_members
    # A deactivated member cannot act as an admin.
    others = (
        select(member.c.role)
        .join(people.people, people.people.c.id == member.c.person)
        .where(
            member.c.organization == organization_id,
            member.c.person != person_id,
            people.people.c.deactivated_at.is_(None),
        )
    )
    return list(tx.execute(others).scalars())


def _last_admin_message(names: list[str]) -> str:
    if not names:
        return ""
    return ngettext(
        "You are the last admin of %(places)s, which has other members. Make one of them an admin "
        "first, or delete the organization.",
        "You are the last admin of %(places)s, which have other members. Make one of them an admin "
        "in each first, or delete the organizations.",
        len(names),
        places=", ".join(names),
    )


def _only_member_message(names: list[str]) -> str:
    if not names:
        return ""
    return ngettext(
        "You are the only member of %(places)s. Delete the organization first, or invite "
        "someone and make them an admin.",
        "You are the only member of %(places)s. Delete these organizations first, or "
        "invite someone to each and make them an admin.",
        len(names),
        places=", ".join(names),
    )


def _end_membership(
    tx: Connection, person_id: PersonId, membership: Membership, at: Millis
) -> None:
    delete_membership_row(tx, membership.id, person_id)
    own_channel, workspace = channels.user(person_id), channels.organization(membership.id)
    event = MemberRemoved(
        actor=person_id,
        member=PrincipalRef(id=person_id, name=gettext(FORMER_MEMBER)),
        place=NamedRef(id=membership.id, name=membership.name),
        workspace=workspace,
    )
    event_channels = [own_channel, workspace, STAFF_CHANNEL]
    log.append(tx, event, channels=event_channels, access_changes=[own_channel], at=at)


def _delete_credentials(tx: Connection, person: people.Person, at: Millis) -> None:
    """Delete everything a person can sign in with, and every row with their address.

    Open invitations stay: they are for the owner of the address, with an account or without.
    """
    sessions.revoke_all(tx, person.id, at=at)
    for table in (passwords.passwords, links.links, identities.identities):
        tx.execute(delete(table).where(table.c.person == person.id))
    if person.email is not None:
        mail.delete_by_recipient(tx, person.email)
        closed = (invitations.c.email == person.email) & ~is_open(at)
        tx.execute(delete(invitations).where(closed))
