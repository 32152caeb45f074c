"""Departure: somebody deletes their account. What they wrote stays, by a former member."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from deskwire.accounts import identities, links, passwords, people, rate_limit, sessions
from deskwire.accounts.authentication import SignInAttempt, confirm_attempt
from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL, PersonId
from deskwire.events.redaction import FORMER_MEMBER
from deskwire.events.types.registry import MemberRemoved, NamedRef, PrincipalRef
from deskwire.kit import mail
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Conflict, NotFound
from deskwire.kit.i18n import gettext, ngettext
from deskwire.workspaces.names import update_name_index
from deskwire.workspaces.organizations.invitations import invitations, is_open, revoke_all_by
from deskwire.workspaces.organizations.members import delete_membership_row
from deskwire.workspaces.organizations.organizations import organization_members, organizations


def delete_account_except_tickets(tx: Connection, person_id: PersonId, at: Millis) -> None:
    """Delete an account: nobody can sign in to it, and nothing says any more whose it was.

    Conflict, with what to do first, for the only admin of an organization.
    """
    person = people.find(tx, person_id)
    if person is None or person.deleted_at is not None:
        raise NotFound(gettext("This account is deleted already."))
    held = _lock_memberships(tx, person_id)
    _require_other_admins(tx, person_id, held)
    for row in held:
        _end_membership(tx, person_id, row, at)
    revoke_all_by(tx, person_id, person_id, at)
    _delete_credentials(tx, person, at)
    people.anonymize(tx, person_id, at)
    update_name_index(tx, person_id, gettext(FORMER_MEMBER))


def delete_account_except_tickets_if_confirmed(
    tx: Connection, attempt: SignInAttempt, at: Millis
) -> bool:
    """`depart` for whoever knocked, their password having matched. False if somebody was faster."""
    person_id = confirm_attempt(tx, attempt)
    if person_id is None:
        return False
    rate_limit.clear_failures(tx, attempt.attempt_id, attempt.email)
    delete_account_except_tickets(tx, person_id, at)
    return True


def list_memberships(tx: Connection, person_id: PersonId) -> list[Row[Any]]:
    """Where somebody is a member: `id`, `name`, `slug`, `internal`, `role`, `joined_at`."""
    org, member = organizations, organization_members
    shown = (org.c.id, org.c.name, org.c.slug, org.c.internal, member.c.role, member.c.joined_at)
    return list(
        tx.execute(
            select(*shown)
            .select_from(member.join(org, org.c.id == member.c.organization))
            .where(member.c.person == person_id, org.c.deleted_at.is_(None))
            .order_by(org.c.id)
        )
    )


def _lock_memberships(tx: Connection, person_id: PersonId) -> list[Row[Any]]:
    """`read_memberships`; until this transaction ends nobody leaves one of these organizations.

    Held, or two admins who go at once would each count on the other.
    """
    member = organization_members
    here = select(member.c.organization).where(member.c.person == person_id)
    everybody = select(member.c.person).where(member.c.organization.in_(here))
    tx.execute(everybody.order_by(member.c.organization, member.c.person).with_for_update()).all()
    return list_memberships(tx, person_id)


def _require_other_admins(
    tx: Connection, person_id: PersonId, memberships: Iterable[Row[Any]]
) -> None:
    """Conflict, with what to do first, where a place would be left without anybody to run it."""
    shared: list[str] = []
    alone: list[str] = []
    for row in memberships:
        roles = _read_other_roles(tx, person_id, row.id)
        if row.internal and row.role == "super_admin" and "super_admin" not in roles:
            raise Conflict(
                gettext(
                    "You are the last super admin of this desk. Make somebody else one first, then "
                    "delete your account."
                )
            )
        if not row.internal and row.role == "admin" and "admin" not in roles:
            (shared if roles else alone).append(row.name)
    if shared or alone:
        raise Conflict(
            " ".join(filter(None, (_last_admin_message(shared), _only_member_message(alone))))
        )


def _read_other_roles(tx: Connection, person_id: PersonId, organization_id: str) -> list[str]:
    member = organization_members
    # Who is deactivated can do nothing for the others.
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
        "You are the only member of %(places)s: delete the organization first, or invite somebody "
        "and make them an admin.",
        "You are the only member of %(places)s: delete these organizations first, or invite "
        "somebody and make them an admin.",
        len(names),
        places=", ".join(names),
    )


def _end_membership(tx: Connection, person_id: PersonId, membership: Row[Any], at: Millis) -> None:
    delete_membership_row(tx, membership.id, person_id)
    own, place = channels.user(person_id), channels.organization(membership.id)
    fact = MemberRemoved(
        actor=person_id,
        member=PrincipalRef(id=person_id, name=gettext(FORMER_MEMBER)),
        place=NamedRef(id=membership.id, name=membership.name),
        workspace=place,
    )
    log.append(tx, fact, channels=[own, place, STAFF_CHANNEL], access_changes=[own], at=at)


def _delete_credentials(tx: Connection, person: people.Person, at: Millis) -> None:
    """Every way in, and every place where the address stands, but for open invitations: those are
    to whoever has it, an account or not."""
    sessions.revoke_all(tx, person.id, at=at)
    for table in (passwords.passwords, links.links, identities.identities):
        tx.execute(delete(table).where(table.c.person == person.id))
    if person.email is not None:
        mail.delete_by_recipient(tx, person.email)
        theirs = (invitations.c.email == person.email) & ~is_open(at)
        tx.execute(delete(invitations).where(theirs))
