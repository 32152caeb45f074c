"""Admission: what the team does to somebody's account, and to their role in the team.

Nobody does it to themselves, and to one of the team only whoever may employ it: so nobody loses a
role by accident, and a desk always keeps a super admin who can sign in.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

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
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.names import named_person
from deskwire.workspaces.organizations.invitations import revoke_all_by, revoke_unauthorized
from deskwire.workspaces.organizations.members import delete_membership_row
from deskwire.workspaces.organizations.organizations import (
    ensure_internal_organization,
    organization_members,
    organizations,
    read_staff_roles,
    upsert_staff_row,
)
from deskwire.workspaces.organizations.permissions import INTERNAL_ROLES, Permission, require
from deskwire.workspaces.origin import Principal

LAST_SUPER_ADMIN_MESSAGE = N_(
    "This desk needs a super admin who can sign in. Make somebody else one first."
)
OWN_ACCOUNT_MESSAGE = N_("Nobody does this to their own account. Ask another super admin.")


def set_staff_role(tx: Connection, actor: Actor, person_id: PersonId, role: str) -> None:
    """Give somebody a role in the team, or another one; the same again changes nothing."""
    person = _lock_person(tx, actor, person_id, Permission.EMPLOY)
    if role not in INTERNAL_ROLES:
        raise Invalid(
            gettext("There is no such role."),
            {"role": gettext("One of %(words)s", words=", ".join(INTERNAL_ROLES))},
        )
    before = read_staff_roles(tx).get(person_id)
    if before is None:
        _require_verified_account(person)
    elif before == "super_admin" != role:
        _require_other_super_admin(tx, person_id)
    _set_staff_role(tx, person, before, role, actor.person_id, actor.at)


def set_staff_role_from_shell(
    tx: Connection, person: Person, role: str, actor_id: str, at: Millis
) -> None:
    """`give_role`, as whoever runs the desk does it in the shell: so the first of the team comes to
    be, who has proven no address yet."""
    acquire_advisory_lock(tx, "the team")
    _set_staff_role(tx, person, read_staff_roles(tx).get(person.id), role, actor_id, at)


def _set_staff_role(
    tx: Connection, person: Person, before: str | None, role: str, actor_id: str, at: Millis
) -> None:
    if before == role:
        return
    revision = upsert_staff_row(tx, person.id, role, at)
    told = _event_fields(tx, actor_id, ensure_internal_organization(tx, at), person)
    if before is None:
        _append_event(tx, MemberJoined(**told, role=role, revision=revision), person.id)
        return
    event = MemberRoleChanged(**told, permissions=[], role=role, revision=revision)
    _append_event(tx, event, person.id)
    revoke_unauthorized(tx, person.id, actor_id, at)


def remove_staff_except_tickets(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Somebody is of the team no more, and whom they invited as one of it is not in either.
    NotFound where they are not."""
    person = _lock_person(tx, actor, person_id, Permission.EMPLOY)
    before, place = read_staff_roles(tx).get(person_id), ensure_internal_organization(tx, actor.at)
    if before is None:
        raise NotFound(gettext("%(person)s has no role in the team.", person=person.name))
    if before == "super_admin":
        _require_other_super_admin(tx, person_id)
    delete_membership_row(tx, place, person_id)
    _append_event(tx, MemberRemoved(**_event_fields(tx, actor.person_id, place, person)), person_id)
    revoke_unauthorized(tx, person_id, actor.person_id, actor.at)


def deactivate_except_tickets(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Sign somebody out everywhere, for as long as nobody lets them in again; what they wrote and
    where they are a member stays. Their invitations are taken back."""
    person = _lock_person(tx, actor, person_id, Permission.ACCOUNTS)
    if person.deactivated_at is not None:
        raise Conflict(gettext("%(person)s is deactivated already.", person=person.name))
    if read_staff_roles(tx).get(person_id) == "super_admin":
        _require_other_super_admin(tx, person_id)
    people.mark_deactivated(tx, person_id, actor_id=actor.person_id, at=actor.at)
    revoke_sign_in(tx, person_id, actor.person_id, actor.at)


def revoke_sign_in(tx: Connection, person_id: PersonId, actor_id: Principal, at: Millis) -> None:
    """What goes with being let in: every browser, every link, what they invited others by."""
    sessions.revoke_all(tx, person_id, actor_id=actor_id, at=at)
    links.revoke(tx, person_id, PASSWORD_LINK_PURPOSES)
    revoke_all_by(tx, person_id, actor_id, at)


def reactivate(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Let somebody in again who was deactivated."""
    person = _lock_person(tx, actor, person_id, Permission.ACCOUNTS)
    if person.deactivated_at is None:
        raise Conflict(gettext("%(person)s is not deactivated.", person=person.name))
    people.mark_reactivated(tx, person_id, actor_id=actor.person_id, at=actor.at)


def send_password_link(
    tx: Connection,
    actor: Actor,
    person_id: PersonId,
    compose_mail: ComposeLinkMail,
    client_ip: str | None,
    limits: RateLimits = RATE_LIMITS,
) -> None:
    """Mail somebody a link to choose a password. TooMany if that was done too often."""
    person = _lock_person(tx, actor, person_id, Permission.ACCOUNTS, allow_self=True)
    if person.deactivated_at is not None:
        raise Conflict(
            gettext("%(person)s is deactivated. Let them in again first.", person=person.name)
        )
    if person.email is None:
        raise Conflict(
            gettext("%(person)s has no e-mail address to send a link to.", person=person.name)
        )
    rate_limit.count_mail(tx, person.email, client_ip, actor.at, limits)
    mail_links.send_link(tx, person, "reset", compose_mail, actor.at)


def link_discord_account(tx: Connection, actor: Actor, person_id: PersonId, snowflake: str) -> None:
    """Say that a Discord user is this person; what they may see there is theirs at once."""
    _lock_person(tx, actor, person_id, Permission.IDENTIFY, allow_self=True)
    identities.link(
        tx, person_id, "discord", snowflake.strip(), actor_id=actor.person_id, at=actor.at
    )


def unlink_discord_account(tx: Connection, actor: Actor, person_id: PersonId) -> None:
    """Forget who a person is at Discord, and all it let them see."""
    _lock_person(tx, actor, person_id, Permission.IDENTIFY, allow_self=True)
    identities.unlink(tx, person_id, "discord", actor_id=actor.person_id, at=actor.at)


def _lock_person(
    tx: Connection,
    actor: Actor,
    person_id: PersonId,
    permission: Permission,
    *,
    allow_self: bool = False,
) -> Person:
    """The person, if the viewer may do this to them; until the transaction ends nobody else does.

    `oneself`: also to the viewer's own account.
    """
    require(actor.viewer, permission)
    acquire_advisory_lock(tx, "the team")  # or two super admins could take each other away
    person = people.find(tx, person_id)
    if person is None or person.deleted_at is not None:
        raise NotFound(gettext("There is no such person here."))
    if person_id == actor.person_id:
        if not allow_self:
            raise Forbidden(gettext(OWN_ACCOUNT_MESSAGE))
    elif person_id in read_staff_roles(tx):
        require(actor.viewer, Permission.EMPLOY)
    return person


def _require_verified_account(person: Person) -> None:
    if person.deactivated_at is not None:
        raise Conflict(
            gettext("%(person)s is deactivated. Let them in again first.", person=person.name)
        )
    if person.email_verified_at is None:
        raise Conflict(
            gettext(
                "Nobody has proven yet that %(email)s is %(person)s’s. Mail them a link for a new "
                "password, or use `deskwire people employ`.",
                email=person.email or gettext("this account"),
                person=person.name,
            )
        )


def _require_other_super_admin(tx: Connection, except_id: PersonId) -> None:
    """Conflict if nobody else is a super admin who can sign in."""
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
    # Held, as by who deletes their account: each of two would count on the other.
    if tx.execute(others.with_for_update(of=member)).first() is None:
        raise Conflict(gettext(LAST_SUPER_ADMIN_MESSAGE))


def _event_fields(
    tx: Connection, actor_id: str, organization_id: str, person: Person
) -> dict[str, Any]:
    name = select(organizations.c.name).where(organizations.c.id == organization_id)
    return {
        "workspace": channels.organization(organization_id),
        "actor": actor_id,
        "member": named_person(person.id, person.name, person.avatar),
        "place": NamedRef(id=organization_id, name=tx.execute(name).scalar_one()),
    }


def _append_event(tx: Connection, event: Event, person_id: PersonId) -> None:
    own = channels.user(person_id)
    log.append(tx, event, channels=[own, str(event.workspace), STAFF_CHANNEL], access_changes=[own])
