"""Organizations: the workspaces of the portal. One of them may be ours: the internal one.

An organization is internal by a column that only the shell sets, never by its name or slug.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Select,
    Table,
    Text,
    insert,
    literal,
    null,
    select,
    update,
)

from deskwire.events.access import People
from deskwire.events.channels import STAFF, PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.db import lock, metadata
from deskwire.kit.errors import Invalid
from deskwire.kit.ids import new_id

InternalRole = Literal["super_admin", "operations_manager", "support_analyst"]
INTERNAL_ROLES: tuple[InternalRole, ...] = get_args(InternalRole)

organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("revision", Integer, nullable=False),
)

organization_members = Table(
    "organization_members",
    metadata,
    Column("organization", Text, ForeignKey("organizations.id"), primary_key=True),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_organization_members_person", "person"),
)


def employ(tx: Connection, person_id: PersonId, role: str, at: Millis) -> None:
    """Make a person a member of the internal organization, which is made with its first."""
    if role not in INTERNAL_ROLES:
        raise Invalid(f"There is no role {role!r}; choose one of {', '.join(INTERNAL_ROLES)}.")
    organization = _ensure_internal(tx, at)
    table = organization_members
    here = (table.c.organization == organization) & (table.c.person == person_id)
    changed = update(table).where(here).values(role=role, revision=table.c.revision + 1)
    if tx.execute(changed).rowcount == 0:
        row = {"organization": organization, "person": person_id, "role": role, "revision": 1}
        tx.execute(insert(table).values(row))


def read_employed(tx: Connection) -> dict[PersonId, str]:
    """The role of every member of the internal organization."""
    member = organization_members
    rows = tx.execute(
        select(member.c.person, member.c.role)
        .join(organizations, organizations.c.id == member.c.organization)
        .where(organizations.c.internal)
    )
    return {row[0]: row[1] for row in rows}


def staff_grants(persons: People) -> list[Select[Any]]:
    """`staff` for members of the internal organization."""
    member = organization_members
    return [
        select(member.c.person, literal(STAFF), null(), member.c.role)
        .select_from(member.join(organizations, organizations.c.id == member.c.organization))
        .where(organizations.c.internal, member.c.person.in_(persons))
    ]


def _ensure_internal(tx: Connection, at: Millis) -> str:
    lock(tx, "internal organization")
    found = tx.execute(select(organizations.c.id).where(organizations.c.internal)).scalar()
    if found is not None:
        return str(found)
    id_ = new_id()
    row = {"id": id_, "slug": "team", "name": "Team", "internal": True, "created_at": at}
    tx.execute(insert(organizations).values(**row, revision=1))
    return id_
