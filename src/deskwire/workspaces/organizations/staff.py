"""Admission: what the team does to somebody's account, and to their role in the team.

Nobody does it to themselves, and to one of the team only whoever may employ it: so nobody loses a
role by accident, and a desk always keeps a super admin who can sign in.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from deskwire.accounts import identities, links, mail_links, people, rate_limit, sessions
from deskwire.accounts.authentication import WELCOMING
from deskwire.accounts.mail_links import Compose
from deskwire.accounts.people import Person
from deskwire.accounts.rate_limit import LIMITS, Limits
from deskwire.events import channels, log
from deskwire.events.channels import STAFF, PersonId
from deskwire.events.types.registry import (
    Event,
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
    Named,
)
from deskwire.kit.clock import Millis
from deskwire.kit.db import lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import who_of
from deskwire.workspaces.organizations.invitations import revoke_made, revoke_unbacked
from deskwire.workspaces.organizations.members import strike
from deskwire.workspaces.organizations.organizations import (
    employ,
    ensure_internal,
    organization_members,
    organizations,
    read_employed,
)
from deskwire.workspaces.organizations.permissions import INTERNAL_ROLES, Right, demand
from deskwire.workspaces.origin import Principal

LAST = N_("This desk needs a super admin who can sign in. Make somebody else one first.")
ONESELF = N_("Nobody does this to their own account. Ask another super admin.")


def give_role(tx: Connection, deed: Deed, person_id: PersonId, role: str) -> None:
    """Give somebody a role in the team, or another one; the same again changes nothing."""
    person = _hold(tx, deed, person_id, Right.EMPLOY)
    if role not in INTERNAL_ROLES:
        raise Invalid(
            gettext("There is no such role."),
            {"role": gettext("One of %(words)s", words=", ".join(INTERNAL_ROLES))},
        )
    before = read_employed(tx).get(person_id)
    if before is None:
        _check_employable(person)
    elif before == "super_admin" != role:
        _keep_super_admin(tx, person_id)
    _appoint(tx, person, before, role, deed.person, deed.at)


def appoint(tx: Connection, person: Person, role: str, actor: str, at: Millis) -> None:
    """`give_role`, as whoever runs the desk does it in the shell: so the first of the team comes to
    be, who has proven no address yet."""
    lock(tx, "the team")
    _appoint(tx, person, read_employed(tx).get(person.id), role, actor, at)


def _appoint(
    tx: Connection, person: Person, before: str | None, role: str, actor: str, at: Millis
) -> None:
    if before == role:
        return
    revision = employ(tx, person.id, role, at)
    told = _told(tx, actor, ensure_internal(tx, at), person)
    if before is None:
        _append(tx, MemberJoined(**told, role=role, revision=revision), person.id)
        return
    event = MemberRoleChanged(**told, permissions=[], role=role, revision=revision)
    _append(tx, event, person.id)
    revoke_unbacked(tx, person.id, actor, at)


def take_role(tx: Connection, deed: Deed, person_id: PersonId) -> None:
    """Somebody is of the team no more, and whom they invited as one of it is not in either.
    NotFound where they are not."""
    person = _hold(tx, deed, person_id, Right.EMPLOY)
    before, place = read_employed(tx).get(person_id), ensure_internal(tx, deed.at)
    if before is None:
        raise NotFound(gettext("%(person)s has no role in the team.", person=person.name))
    if before == "super_admin":
        _keep_super_admin(tx, person_id)
    strike(tx, place, person_id)
    _append(tx, MemberRemoved(**_told(tx, deed.person, place, person)), person_id)
    revoke_unbacked(tx, person_id, deed.person, deed.at)


def deactivate(tx: Connection, deed: Deed, person_id: PersonId) -> None:
    """Sign somebody out everywhere, for as long as nobody lets them in again; what they wrote and
    where they are a member stays. Their invitations are taken back."""
    person = _hold(tx, deed, person_id, Right.ACCOUNTS)
    if person.deactivated_at is not None:
        raise Conflict(gettext("%(person)s is deactivated already.", person=person.name))
    if read_employed(tx).get(person_id) == "super_admin":
        _keep_super_admin(tx, person_id)
    people.deactivate(tx, person_id, actor=deed.person, at=deed.at)
    shut_out(tx, person_id, deed.person, deed.at)


def shut_out(tx: Connection, person_id: PersonId, actor: Principal, at: Millis) -> None:
    """What goes with being let in: every browser, every link, what they invited others by."""
    sessions.end_all(tx, person_id, actor=actor, at=at)
    links.withdraw(tx, person_id, WELCOMING)
    revoke_made(tx, person_id, actor, at)


def readmit(tx: Connection, deed: Deed, person_id: PersonId) -> None:
    """Let somebody in again who was deactivated."""
    person = _hold(tx, deed, person_id, Right.ACCOUNTS)
    if person.deactivated_at is None:
        raise Conflict(gettext("%(person)s is not deactivated.", person=person.name))
    people.readmit(tx, person_id, actor=deed.person, at=deed.at)


def send_reset(
    tx: Connection,
    deed: Deed,
    person_id: PersonId,
    compose: Compose,
    address: str | None,
    limits: Limits = LIMITS,
) -> None:
    """Mail somebody a link to choose a password. TooMany if that was done too often."""
    person = _hold(tx, deed, person_id, Right.ACCOUNTS, oneself=True)
    if person.deactivated_at is not None:
        raise Conflict(
            gettext("%(person)s is deactivated. Let them in again first.", person=person.name)
        )
    if person.email is None:
        raise Conflict(
            gettext("%(person)s has no e-mail address to send a link to.", person=person.name)
        )
    rate_limit.count_mail(tx, person.email, address, deed.at, limits)
    mail_links.send_link(tx, person, "reset", compose, deed.at)


def link(tx: Connection, deed: Deed, person_id: PersonId, snowflake: str) -> None:
    """Say that a Discord user is this person; what they may see there is theirs at once."""
    _hold(tx, deed, person_id, Right.IDENTIFY, oneself=True)
    identities.link(tx, person_id, "discord", snowflake.strip(), actor=deed.person, at=deed.at)


def unlink(tx: Connection, deed: Deed, person_id: PersonId) -> None:
    """Forget who a person is at Discord, and all it let them see."""
    _hold(tx, deed, person_id, Right.IDENTIFY, oneself=True)
    identities.unlink(tx, person_id, "discord", actor=deed.person, at=deed.at)


def _hold(
    tx: Connection, deed: Deed, person_id: PersonId, right: Right, *, oneself: bool = False
) -> Person:
    """The person, if the viewer may do this to them; until the transaction ends nobody else does.

    `oneself`: also to the viewer's own account.
    """
    demand(deed.viewer, right)
    lock(tx, "the team")  # or two super admins could take each other away
    person = people.find(tx, person_id)
    if person is None or person.deleted_at is not None:
        raise NotFound(gettext("There is no such person here."))
    if person_id == deed.person:
        if not oneself:
            raise Forbidden(gettext(ONESELF))
    elif person_id in read_employed(tx):
        demand(deed.viewer, Right.EMPLOY)
    return person


def _check_employable(person: Person) -> None:
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


def _keep_super_admin(tx: Connection, but: PersonId) -> None:
    """Conflict if nobody else is a super admin who can sign in."""
    member = organization_members
    others = (
        select(member.c.person)
        .join(organizations, organizations.c.id == member.c.organization)
        .join(people.people, people.people.c.id == member.c.person)
        .where(organizations.c.internal, member.c.role == "super_admin", member.c.person != but)
        .where(people.people.c.deactivated_at.is_(None))
    )
    # Held, as by who deletes their account: each of two would count on the other.
    if tx.execute(others.with_for_update(of=member)).first() is None:
        raise Conflict(gettext(LAST))


def _told(tx: Connection, actor: str, place: str, person: Person) -> dict[str, Any]:
    name = select(organizations.c.name).where(organizations.c.id == place)
    return {
        "workspace": channels.organization(place),
        "actor": actor,
        "member": who_of(person.id, person.name, person.avatar),
        "place": Named(id=place, name=tx.execute(name).scalar_one()),
    }


def _append(tx: Connection, event: Event, person_id: PersonId) -> None:
    own = channels.user(person_id)
    log.append(tx, event, channels=[own, str(event.workspace), STAFF], touches=[own])
