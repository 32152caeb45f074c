"""Organizations: the workspaces of the portal. One of them may be ours: the internal one.

An organization is internal by a column that only the shell sets, never by its name or slug.

`visibility` says who sees a request beside its requester, its watchers and the team: every member
(`members`), or the admins alone (`participants`). Its events go to `org:ID:G`, where `generation`
G rises with every change of the mode: what was told before is out of every cursor's reach.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from deskwire.events import channels
from deskwire.events.access import PeopleParameter, Viewer
from deskwire.events.channels import PEOPLE_CHANNEL, STAFF_CHANNEL, PersonId, Workspace
from deskwire.kit.clock import Millis
from deskwire.kit.db import acquire_advisory_lock, metadata
from deskwire.kit.errors import Forbidden, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import new_id
from deskwire.workspaces.organizations.permissions import (
    CLIENT_ROLES,
    INTERNAL_ROLES,
    Permission,
    roles_with,
)

Visibility = Literal["members", "participants"]
VISIBILITIES: tuple[Visibility, ...] = get_args(Visibility)

organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("slug", Text, nullable=False, unique=True),  # given free by deletion
    Column("name", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("about", Text),  # a sentence or two, for the team
    Column("visibility", Text, nullable=False, server_default="members"),
    Column("generation", Integer, nullable=False, server_default="1"),  # of `visibility`
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("deleted_at", BigInteger),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
)

organization_members = Table(
    "organization_members",
    metadata,
    Column("organization", Text, ForeignKey("organizations.id"), primary_key=True),
    Column("person", Text, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("role", Text, nullable=False),
    Column("joined_at", BigInteger, nullable=False, server_default="0"),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_organization_members_person", "person"),
)

categories = Table(
    "categories",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("organization", Text, ForeignKey("organizations.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("place", Integer, nullable=False),  # in its list, from 0
    Column("archived_at", BigInteger),  # ms; old requests keep it, new ones cannot have it
    Column("revision", Integer, nullable=False, server_default="0"),
    Index("ix_categories_organization_place", "organization", "place"),
)

_CATEGORY_ORDER = (categories.c.archived_at.is_not(None), categories.c.place, categories.c.id)


@dataclass(frozen=True, slots=True)
class Organization:
    """One organization, as its members see it."""

    id: str
    slug: str
    name: str
    internal: bool
    about: str | None
    visibility: Visibility
    generation: int
    created_at: Millis
    revision: int
    is_deleted: bool

    @property
    def workspace(self) -> Workspace:
        return channels.organization(self.id)

    @property
    def href(self) -> str:
        return f"/orgs/{self.slug}"


@dataclass(frozen=True, slots=True)
class Category:
    """What a request is about, by its organization's own list."""

    id: str
    name: str
    archived: bool


class NoOrganization(Forbidden):
    """What an organization's members may do is asked of somebody who belongs to none."""


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """The organizations the viewer may see: their own, and of the team every client's."""
    mine = organizations.c.id.in_(organization_ids_of(viewer))
    clients = ~organizations.c.internal if STAFF_CHANNEL in viewer.channels else false()
    return and_(organizations.c.deleted_at.is_(None), or_(mine, clients))


def is_deleted_workspace_uncorrelated(workspace: ColumnElement[str]) -> ColumnElement[bool]:
    """`is_of_deleted`, for a statement that looks at very many rows: all are read once."""
    gone = select(literal("org:", Text) + organizations.c.id)
    return workspace.in_(gone.where(organizations.c.deleted_at.is_not(None)))


def is_deleted_workspace(workspace: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a column of workspaces names an organization that was deleted."""
    return (
        exists()
        .where(
            organizations.c.id == func.substr(workspace, len("org:") + 1),
            organizations.c.deleted_at.is_not(None),
        )
        .correlate_except(organizations)
    )


def organization_ids_of(viewer: Viewer) -> list[str]:
    """The organizations the viewer is a member of."""
    return sorted(
        channel.removeprefix("org:")
        for channel in viewer.channels
        if channel.startswith("org:") and channel.count(":") == 1
    )


def read_visible_by_slug(tx: Connection, viewer: Viewer, slug: str) -> Organization:
    """The organization with this slug; NotFound where it is not there or not the viewer's."""
    chosen = visible_to(viewer) & (organizations.c.slug == slug)
    return _require_organization(tx.execute(select(organizations).where(chosen)).one_or_none())


def read_visible_by_id(tx: Connection, viewer: Viewer, organization_id: str) -> Organization:
    """`read_visible`, by the id."""
    chosen = visible_to(viewer) & (organizations.c.id == organization_id)
    return _require_organization(tx.execute(select(organizations).where(chosen)).one_or_none())


def list_own_organizations(tx: Connection, viewer: Viewer) -> list[Organization]:
    """The organizations the viewer is a member of, by name."""
    mine = organizations.c.id.in_(organization_ids_of(viewer)) & organizations.c.deleted_at.is_(
        None
    )
    rows = tx.execute(select(organizations).where(mine).order_by(organizations.c.name))
    return [organization_from_row(row) for row in rows]


def list_visible_organizations(tx: Connection, viewer: Viewer) -> list[Organization]:
    """Every organization the viewer may see, by name."""
    rows = tx.execute(
        select(organizations).where(visible_to(viewer)).order_by(organizations.c.name)
    )
    return [organization_from_row(row) for row in rows]


def list_own_with_categories(tx: Connection, viewer: Viewer) -> dict[Organization, list[Category]]:
    """`read_own`, each with its categories as `read_categories` gives them: one statement."""
    mine = organizations.c.id.in_(organization_ids_of(viewer)) & organizations.c.deleted_at.is_(
        None
    )
    return _list_with_categories(tx, mine)


def list_visible_with_categories(
    tx: Connection, viewer: Viewer, slug: str
) -> dict[Organization, list[Category]]:
    """`read_all`, the one with this slug with its categories, the others with none."""
    return _list_with_categories(tx, visible_to(viewer), organizations.c.slug == slug)


def read_with_categories(
    tx: Connection, organization_id: str
) -> tuple[Organization | None, list[Category]]:
    """One organization with its categories, for who shows a request found visible before."""
    found = _list_with_categories(tx, organizations.c.id == organization_id)
    return next(iter(found.items()), (None, []))


def _list_with_categories(
    tx: Connection,
    condition: ColumnElement[bool],
    with_categories_if: ColumnElement[bool] | None = None,
) -> dict[Organization, list[Category]]:
    """Organizations by name, each with its categories; `of`: only of those that meet it."""
    org, category = organizations, categories.c
    theirs = category.organization == org.c.id
    named = [category[name].label(f"category_{name}") for name in ("id", "name", "archived_at")]
    rows = tx.execute(
        select(org, *named)
        .outerjoin_from(
            org,
            categories,
            theirs if with_categories_if is None else and_(theirs, with_categories_if),
        )
        .where(condition)
        .order_by(org.c.name, org.c.id, *_CATEGORY_ORDER)
    )
    found: dict[Organization, list[Category]] = {}
    for row in rows:
        listed = found.setdefault(organization_from_row(row), [])
        if row.category_id is not None:
            is_old = row.category_archived_at is not None
            listed.append(Category(row.category_id, row.category_name, is_old))
    return found


def read_organizations_by_id(tx: Connection, ids: Collection[str]) -> dict[str, Organization]:
    """Organizations by id, for who names places of tickets that were already found visible."""
    if not ids:
        return {}
    rows = tx.execute(select(organizations).where(organizations.c.id.in_(ids)))
    return {row.id: organization_from_row(row) for row in rows}


def organization_from_row(row: Row[Any]) -> Organization:
    """A row of `organizations`."""
    return Organization(
        row.id,
        row.slug,
        row.name,
        row.internal,
        row.about,
        row.visibility,
        row.generation,
        row.created_at,
        row.revision,
        row.deleted_at is not None,
    )


def read_categories(tx: Connection, organization_id: str) -> list[Category]:
    """An organization's categories in their order, archived ones last."""
    rows = tx.execute(
        select(categories)
        .where(categories.c.organization == organization_id)
        .order_by(*_CATEGORY_ORDER)
    )
    return [Category(row.id, row.name, row.archived_at is not None) for row in rows]


def read_category_names(tx: Connection, ids: Collection[str]) -> dict[str, str]:
    """Names of categories by id."""
    if not ids:
        return {}
    rows = tx.execute(select(categories.c.id, categories.c.name).where(categories.c.id.in_(ids)))
    return {row.id: row.name for row in rows}


def upsert_staff_row(tx: Connection, person_id: PersonId, role: str, at: Millis) -> int:
    """Make a person a member of the internal organization, which is made with its first, or give
    them another role there; the row's revision. Nothing is told (`admission.appoint` tells)."""
    if role not in INTERNAL_ROLES:
        raise Invalid(
            gettext(
                "There is no role %(role)s; choose one of %(words)s.",
                role=repr(role),
                words=", ".join(INTERNAL_ROLES),
            )
        )
    organization = ensure_internal_organization(tx, at)
    table = organization_members
    here = (table.c.organization == organization) & (table.c.person == person_id)
    changed = update(table).where(here).values(role=role, revision=table.c.revision + 1)
    revision: int | None = tx.execute(changed.returning(table.c.revision)).scalar()
    if revision is not None:
        return revision
    row = {"organization": organization, "person": person_id, "role": role, "revision": 1}
    tx.execute(insert(table).values({**row, "joined_at": at}))
    return 1


def read_staff_roles(tx: Connection) -> dict[PersonId, str]:
    """The role of every member of the internal organization."""
    member = organization_members
    rows = tx.execute(
        select(member.c.person, member.c.role)
        .join(organizations, organizations.c.id == member.c.organization)
        .where(organizations.c.internal)
    )
    return {row[0]: row[1] for row in rows}


def staff_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """`staff` for members of the internal organization, `people` for those who see everybody."""
    member = organization_members
    sees_people = member.c.role.in_(roles_with(Permission.PEOPLE, among=INTERNAL_ROLES))
    return [
        select(member.c.person, literal(channel), null(), member.c.role)
        .select_from(member.join(organizations, organizations.c.id == member.c.organization))
        .where(organizations.c.internal, member.c.person.in_(person_ids), also)
        for channel, also in ((STAFF_CHANNEL, true()), (PEOPLE_CHANNEL, sees_people))
    ]


def organization_grants(person_ids: PeopleParameter) -> list[Select[Any]]:
    """`org:ID` for members, and `org:ID:G` for those who see all of its requests."""
    member, org = organization_members, organizations
    own = literal("org:", Text) + org.c.id
    source = member.join(org, org.c.id == member.c.organization)
    mine = and_(member.c.person.in_(person_ids), org.c.deleted_at.is_(None))
    sees_all = or_(
        org.c.visibility == "members",
        member.c.role.in_(roles_with(Permission.SEE_ALL, among=CLIENT_ROLES)),
    )
    whole = own + literal(":", Text) + cast(org.c.generation, Text)
    return [
        select(member.c.person, channel, own, member.c.role).select_from(source).where(mine, also)
        for channel, also in ((own, true()), (whole, and_(sees_all, ~org.c.internal)))
    ]


def _require_organization(row: Row[Any] | None) -> Organization:
    if row is None:
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    return organization_from_row(row)


def ensure_internal_organization(tx: Connection, at: Millis) -> str:
    """The id of the internal organization, which is made where it is missing."""
    acquire_advisory_lock(tx, "internal organization")
    found = tx.execute(select(organizations.c.id).where(organizations.c.internal)).scalar()
    if found is not None:
        return str(found)
    id_ = new_id()
    row = {"id": id_, "slug": "team", "name": gettext("Team"), "internal": True, "created_at": at}
    tx.execute(insert(organizations).values(**row, revision=1))
    return id_
