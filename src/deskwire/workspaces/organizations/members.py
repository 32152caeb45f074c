"""Members of organizations: joining, another role, leaving; open streams follow at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from deskwire.accounts.people import people
from deskwire.events import channels, log
from deskwire.events.channels import STAFF, Channel, PersonId
from deskwire.events.types.registry import (
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
    Named,
    Who,
)
from deskwire.events.types.shapes import Event
from deskwire.kit.clock import Millis
from deskwire.kit.db import lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.i18n import N_, gettext
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names, who_of
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import CLIENT_ROLES, Right, demand

LAST_ADMIN = N_("An organization needs an admin who can sign in. Make somebody else one first.")


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in an organization."""

    who: Who
    email: str | None
    role: str
    joined_at: Millis


def read_members(tx: Connection, organization: str) -> list[Member]:
    """Everybody in an organization, by name."""
    member = organization_members
    rows = tx.execute(
        select(people.c.id, people.c.name, people.c.avatar, people.c.email, member.c.role)
        .add_columns(member.c.joined_at)
        .join(member, member.c.person == people.c.id)
        .where(member.c.organization == organization)
        .order_by(people.c.name, people.c.id)
    )
    return [Member(who_of(*row[:3]), row.email, row.role, row.joined_at) for row in rows]


def join(tx: Connection, deed: Deed, place: Organization, person: PersonId, role: str) -> None:
    """Make somebody a member; whether they may be was asked before. Again changes nothing."""
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext(
                "%(role)s is no role here; one of %(words)s.",
                role=repr(role[:40]),
                words=", ".join(CLIENT_ROLES),
            )
        )
    lock(tx, f"members of {place.id}")
    if _role_of(tx, place.id, person) is not None:
        return
    row = {"organization": place.id, "person": person, "role": role, "joined_at": deed.at}
    tx.execute(insert(organization_members).values({**row, "revision": 1}))
    event = MemberJoined(**_told(tx, deed, place, person), role=role, revision=1)
    tell(tx, event, place, person)


def change_role(tx: Connection, deed: Deed, id_: str, person: PersonId, role: str) -> None:
    """Give a member another role; nobody their own."""
    place = _hold(tx, deed, id_)
    demand(deed.viewer, Right.MEMBERS, place.workspace)
    if person == deed.person:
        raise Forbidden(gettext("Nobody changes their own role. Ask another admin."))
    if role not in CLIENT_ROLES:
        raise Invalid(
            gettext("There is no such role."),
            {"role": gettext("One of %(words)s", words=", ".join(CLIENT_ROLES))},
        )
    before = _role_of(tx, place.id, person)
    if before is None:
        raise NotFound(gettext("There is no such member."))
    if before == role:
        return
    if before == "admin":
        _keep_admin(tx, place.id, person)
    mine = update(organization_members).where(*_is(place.id, person))
    changed = mine.values(role=role, revision=organization_members.c.revision + 1)
    revision = tx.execute(changed.returning(organization_members.c.revision)).scalar_one()
    told = _told(tx, deed, place, person)
    event = MemberRoleChanged(**told, permissions=[], role=role, revision=revision)
    tell(tx, event, place, person)


def remove(tx: Connection, deed: Deed, id_: str, person: PersonId) -> None:
    """Take a member out of an organization, or leave it oneself; their requests stay."""
    place = _hold(tx, deed, id_)
    if person != deed.person:
        demand(deed.viewer, Right.MEMBERS, place.workspace)
    before = _role_of(tx, place.id, person)
    if before is None:
        raise NotFound(gettext("There is no such member."))
    if before == "admin":
        _keep_admin(tx, place.id, person)
    strike(tx, place.id, person)
    tell(tx, MemberRemoved(**_told(tx, deed, place, person)), place, person)


def _hold(tx: Connection, deed: Deed, id_: str) -> Organization:
    lock(tx, f"members of {id_}")
    place = read_visible_by_id(tx, deed.viewer, id_)
    if place.internal:
        raise Forbidden(
            gettext("Who is of the team is decided in the shell: deskwire people employ.")
        )
    return place


def _keep_admin(tx: Connection, id_: str, but: PersonId) -> None:
    """Conflict if nobody else is an admin who can sign in."""
    member = organization_members
    admins = (
        select(member.c.person, people.c.deactivated_at)
        .join(people, people.c.id == member.c.person)
        .where(member.c.organization == id_, member.c.role == "admin")
        .order_by(member.c.person)
    )
    held = tx.execute(admins.with_for_update(of=member))  # as who deletes their account does
    if not any(row.person != but and row.deactivated_at is None for row in held.all()):
        raise Conflict(gettext(LAST_ADMIN))


def _role_of(tx: Connection, id_: str, person: PersonId) -> str | None:
    chosen = select(organization_members.c.role).where(*_is(id_, person))
    return tx.execute(chosen).scalar_one_or_none()


def _is(id_: str, person: PersonId) -> tuple[Any, Any]:
    return organization_members.c.organization == id_, organization_members.c.person == person


def _told(tx: Connection, deed: Deed, place: Organization, person: PersonId) -> dict[str, Any]:
    return {
        "workspace": place.workspace,
        "actor": deed.person,
        "member": read_names(tx, [person])[person],
        "place": Named(id=place.id, name=place.name),
    }


def tell(
    tx: Connection, event: Event, place: Organization, person: PersonId, cause: str | None = None
) -> None:
    """Append an event about a member: to them, whose rights it touches, and to who knows them."""
    own: Channel = channels.user(person)
    log.append(tx, event, channels=[own, place.workspace, STAFF], touches=[own], cause=cause)


def strike(tx: Connection, id_: str, person: PersonId) -> None:
    """Delete a member's row as an action of ours: one that is marked is no edit by hand."""
    table, here = organization_members, _is(id_, person)
    tx.execute(update(table).where(*here).values(revision=-1))
    tx.execute(delete(table).where(*here))
