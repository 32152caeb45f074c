"""Manage the staff of the desk, and let staff manage people's accounts.

No one may change their own account here, and only people with EMPLOY may change that of a member of
the staff, so that no one loses a role by accident. A super admin who can sign in always remains.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, update

from deskwire.accounts import identities, links, mail_links, people, rate_limit, sessions
from deskwire.accounts.authentication import PASSWORD_LINK_PURPOSES
from deskwire.accounts.mail_links import ComposeLinkMail
from deskwire.accounts.people import Person
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits
from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL, PersonId
from deskwire.events.types.registry import (
    Event,
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
    NamedRef,
)
from deskwire.kit.clock import Millis
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import named_person
from deskwire.workspaces.organizations.invitations import revoke_all_by, revoke_unauthorized
from deskwire.workspaces.organizations.members import delete_membership_row
from deskwire.workspaces.organizations.organizations import organization_members, organizations
from deskwire.workspaces.organizations.permissions import (
    INTERNAL_ROLES,
    Permission,
    require,
)
from deskwire.workspaces.origin import Principal

LAST_SUPER_ADMIN_MESSAGE = N_(
    "There must be a super admin who can sign in. Make someone else a super admin first."
)
OWN_ACCOUNT_MESSAGE = N_("You can’t do this to your own account. Ask another super admin.")


def set_staff_role(tx: Connection, actor: Actor, person_id: PersonId, role: str) -> None:
    """Give a person a role in the staff, or change it; setting the same role changes nothing.

    Raises Conflict if their address is not verified, or they are the last super admin.
    """
    person = _lock_person(tx, actor, person_id, Permission.EMPLOY)
    if role not in INTERNAL_ROLES:
        raise Invalid(
            gettext("This role doesn’t exist."),
            {"role": gettext("Choose one of: %(words)s", words=", ".join(INTERNAL_ROLES))},
        )
    before = read_staff_roles(tx).get(person_id)
    if before is None:
        _require_verified_account(person)
    elif before == "super_admin" != role:
        _require_other_super_admin(tx, person_id)
    _set_staff_role(tx, person, before, role, actor.subject, actor.at)


def set_staff_role_from_shell(
    tx: Connection, person: Person, role: str, actor_id: str, at: Millis
) -> None:
    """Set a staff role from the command line, without the checks of `set_staff_role`.

    This creates the first super admin, whose address is not verified yet.
    """
    acquire_advisory_lock(tx, "the team")
    _set_staff_role(tx, person, read_staff_roles(tx).get(person.id), role, actor_id, at)


def _set_staff_role(
    tx: Connection, person: Person, before: str | None, role: str, actor_id: str, at: Millis
) -> None:
    if before == role:
        return
    revision = upsert_staff_row(tx, person.id, role, at)
    fields = _event_fields(tx, actor_id, ensure_internal_organization(tx, at), person)
    if before is None:
        _append_event(tx, MemberJoined(**fields, role=role, revision=revision), person.id)
        return
    event = MemberRoleChanged(**fields, permissions=[], role=role, revision=revision)
    _append_event(tx, event, person.id)
    revoke_unauthorized(tx, person.id, actor_id, at)


def remove_staff_except_tickets(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Remove a person from the staff, and revoke the invitations they may not make any more.

    Requests assigned to them stay: call `offboarding.remove_staff` instead. Raises NotFound if they
    are not staff, Conflict if they are the last super admin.
    """
    person = _lock_person(tx, actor, person_id, Permission.EMPLOY)
    before = read_staff_roles(tx).get(person_id)
    organization_id = ensure_internal_organization(tx, actor.at)
    if before is None:
        raise NotFound(gettext("%(person)s has no role in the team.", person=person.name))
    if before == "super_admin":
        _require_other_super_admin(tx, person_id)
    delete_membership_row(tx, organization_id, person_id)
    fields = _event_fields(tx, actor.subject, organization_id, person)
    _append_event(tx, MemberRemoved(**fields), person_id)
    revoke_unauthorized(tx, person_id, actor.subject, actor.at)


def deactivate_except_tickets(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Deactivate an account: end its sessions, links and invitations, and refuse sign-in.

    Messages and memberships stay. Requests assigned to the person stay too: call
    `offboarding.deactivate_person` instead. Raises Conflict if the account is deactivated already,
    or is the last super admin's.
    """
    person = _lock_person(tx, actor, person_id, Permission.ACCOUNTS)
    if person.deactivated_at is not None:
        raise Conflict(gettext("%(person)s is already deactivated.", person=person.name))
    if read_staff_roles(tx).get(person_id) == "super_admin":
        _require_other_super_admin(tx, person_id)
    people.mark_deactivated(tx, person_id, actor_id=actor.subject, at=actor.at)
    revoke_sign_in(tx, person_id, actor.subject, actor.at)


def revoke_sign_in(tx: Connection, person_id: PersonId, actor_id: Principal, at: Millis) -> None:
    """Revoke a person's sessions, password links and open invitations."""
    sessions.revoke_all(tx, person_id, actor_id=actor_id, at=at)
    links.revoke(tx, person_id, PASSWORD_LINK_PURPOSES)
    revoke_all_by(tx, person_id, actor_id, at)


def reactivate(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Let a deactivated person sign in again. Raises Conflict if they are not deactivated."""
    person = _lock_person(tx, actor, person_id, Permission.ACCOUNTS)
    if person.deactivated_at is None:
        raise Conflict(gettext("%(person)s is not deactivated.", person=person.name))
    people.mark_reactivated(tx, person_id, actor_id=actor.subject, at=actor.at)


def send_password_link(
    tx: Connection,
    actor: Actor,
    person_id: PersonId,
    compose_mail: ComposeLinkMail,
    client_ip: str | None,
    limits: RateLimits = RATE_LIMITS,
) -> None:
    """Mail a person a link for setting a password. Raises RateLimited if sent too often."""
    person = _lock_person(tx, actor, person_id, Permission.ACCOUNTS, allow_self=True)
    if person.deactivated_at is not None:
        raise Conflict(
            gettext("%(person)s is deactivated. Reactivate the account first.", person=person.name)
        )
    if person.email is None:
        raise Conflict(
            gettext("%(person)s has no email address to send a link to.", person=person.name)
        )
    rate_limit.count_mail(tx, person.email, client_ip, actor.at, limits)
    mail_links.send_link(tx, person, "reset", compose_mail, actor.at)


def retry_address(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Send mail again to an address that has refused it. Raises Conflict if it has not."""
    person = _lock_person(tx, actor, person_id, Permission.RETRY_ADDRESSES, allow_self=True)
    people.forget_refusal(tx, person, actor.subject, actor.at)


def link_discord_account(tx: Connection, actor: Actor, person_id: PersonId, snowflake: str) -> None:
    """Link a Discord user to a person, who sees at once what that user may see there."""
    _lock_person(tx, actor, person_id, Permission.IDENTIFY, allow_self=True)
    identities.link(
        tx, person_id, "discord", snowflake.strip(), actor_id=actor.subject, at=actor.at
    )


def unlink_discord_account(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Unlink a person's Discord user, and with it all access it gave."""
    _lock_person(tx, actor, person_id, Permission.IDENTIFY, allow_self=True)
    identities.unlink(tx, person_id, "discord", actor_id=actor.subject, at=actor.at)


def _lock_person(
    tx: Connection,
    actor: Actor,
    person_id: PersonId,
    permission: Permission,
    *,
    allow_self: bool = False,
) -> Person:
    """Return a person that the actor may manage, and lock the staff.

    `allow_self` also allows the actor's own account. Raises NotFound or Forbidden.
    """
    require(actor.viewer, permission)
    acquire_advisory_lock(tx, "the team")  # two super admins must not remove each other at once
    person = people.find(tx, person_id)
    if person is None or person.deleted_at is not None:
        raise NotFound(gettext("This person doesn’t exist."))
    if person_id == actor.subject:
        if not allow_self:
            raise Forbidden(gettext(OWN_ACCOUNT_MESSAGE))
    elif person_id in read_staff_roles(tx):
        require(actor.viewer, Permission.EMPLOY)
    return person


def _require_verified_account(person: Person) -> None:
    if person.deactivated_at is not None:
        raise Conflict(
            gettext("%(person)s is deactivated. Reactivate the account first.", person=person.name)
        )
    if person.email_verified_at is None:
        raise Conflict(
            gettext(
                "%(person)s hasn’t confirmed %(email)s yet. Send a link for a new password, or "
                "use `deskwire people employ`.",
                email=person.email or gettext("this account"),
                person=person.name,
            )
        )


def _require_other_super_admin(tx: Connection, except_id: PersonId) -> None:
    """Raise Conflict if no one else is a super admin who can sign in."""
    member = organization_members
    others = (
        select(member.c.person)
        .join(organizations, organizations.c.id == member.c.organization)
        .join(people.people, people.people.c.id == member.c.person)
        .where(
            organizations.c.internal, member.c.role == "super_admin", member.c.person != except_id
        )
        .where(people.people.c.deactivated_at.is_(None))
    )
    # Row locks, as in account deletion: two who leave at once would each count on the other.
    if tx.execute(others.with_for_update(of=member)).first() is None:
        raise Conflict(gettext(LAST_SUPER_ADMIN_MESSAGE))


def _event_fields(
    tx: Connection, actor_id: str, organization_id: str, person: Person
) -> dict[str, Any]:
    query = select(organizations.c.name).where(organizations.c.id == organization_id)
    return {
        "workspace": channels.organization(organization_id),
        "actor": actor_id,
        "member": named_person(person.id, person.name, person.avatar),
        "place": NamedRef(id=organization_id, name=tx.execute(query).scalar_one()),
    }


def _append_event(tx: Connection, event: Event, person_id: PersonId) -> None:
    own_channel = channels.user(person_id)
    event_channels = [own_channel, str(event.workspace), STAFF_CHANNEL]
    log.append(tx, event, channels=event_channels, access_changes=[own_channel])


def upsert_staff_row(tx: Connection, person_id: PersonId, role: str, at: Millis) -> int:
    """Write a person's row in the internal organization. Returns the row's revision.

    Records no event and revokes no invitations: call `set_staff_role` or
    `set_staff_role_from_shell` instead. Raises Invalid if there is no such role.
    """
    if role not in INTERNAL_ROLES:
        raise Invalid(
            gettext(
                "%(role)s is not a role. Choose one of: %(words)s.",
                role=repr(role),
                words=", ".join(INTERNAL_ROLES),
            )
        )
    organization_id = ensure_internal_organization(tx, at)
    table = organization_members
    where = (table.c.organization == organization_id) & (table.c.person == person_id)
    statement = update(table).where(where).values(role=role, revision=table.c.revision + 1)
    revision: int | None = tx.execute(statement.returning(table.c.revision)).scalar()
    if revision is not None:
        return revision
    row = {"organization": organization_id, "person": person_id, "role": role, "revision": 1}
    tx.execute(insert(table).values({**row, "joined_at": at}))
    return 1


def read_staff_roles(tx: Connection) -> dict[PersonId, str]:
    """Return the roles of all members of the internal organization, by person id."""
    member = organization_members
    rows = tx.execute(
        select(member.c.person, member.c.role)
        .join(organizations, organizations.c.id == member.c.organization)
        .where(organizations.c.internal)
    )
    return {row[0]: row[1] for row in rows}


def ensure_internal_organization(tx: Connection, at: Millis) -> str:
    """Return the id of the internal organization, and create it if it does not exist."""
    acquire_advisory_lock(tx, "internal organization")
    existing = tx.execute(select(organizations.c.id).where(organizations.c.internal)).scalar()
    if existing is not None:
        return str(existing)
    id_ = new_id()
    row = {"id": id_, "slug": "team", "name": gettext("Team"), "internal": True, "created_at": at}
    tx.execute(insert(organizations).values(**row, revision=1))
    return id_
