"""Store organizations, the workspaces of the portal, and read those a viewer may see.

At most one is internal: the staff's own. An organization is internal by a column that only the
command line sets, never by its name or slug.

`visibility` says who sees a request, apart from its requester, its watchers and the staff: every
member (`members`), or only the admins (`participants`). Events of requests go to the channel
`org:ID:GENERATION`; `generation` rises with every change of the visibility, so that no cursor can
replay events from before the change.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, cast, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    or_,
    select,
)

from deskwire.events import channels
from deskwire.events.access import Viewer
from deskwire.events.channels import STAFF_CHANNEL, Workspace
from deskwire.kit.clock import Millis
from deskwire.kit.db import metadata
from deskwire.kit.errors import Forbidden, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_all, fetch_first

Visibility = Literal["members", "participants"]
VISIBILITIES: tuple[Visibility, ...] = get_args(Visibility)

organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),  # UUIDv7
    Column("slug", Text, nullable=False, unique=True),  # freed when the organization is deleted
    Column("name", Text, nullable=False),
    Column("internal", Boolean, nullable=False),
    Column("about", Text),  # a sentence or two, for the staff
    Column("visibility", Text, nullable=False, server_default="members"),
    Column("generation", Integer, nullable=False, server_default="1"),  # see above
    Column("created_at", BigInteger, nullable=False),  # ms
    Column("deleted_at", BigInteger),  # ms
    Column("revision", Integer, nullable=False, server_default="0"),
)


class OrganizationRow:
    """A row of `organizations`."""

    id: str
    slug: str
    name: str
    internal: bool
    about: str | None
    visibility: str
    generation: int
    created_at: int
    deleted_at: int | None
    revision: int


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


class OrganizationMemberRow:
    """A row of `organization_members`."""

    organization: str
    person: str
    role: str
    joined_at: int
    revision: int


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization, as its members see it."""

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


class NoOrganization(Forbidden):
    """Refuse an action of an organization's members to a viewer who belongs to none."""


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the organizations the viewer may see: their own; for staff, all clients' too."""
    is_member = organizations.c.id.in_(organization_ids_of(viewer))
    clients = ~organizations.c.internal if STAFF_CHANNEL in viewer.channels else false()
    return and_(organizations.c.deleted_at.is_(None), or_(is_member, clients))


def where_own(viewer: Viewer) -> ColumnElement[bool]:
    """Select the existing organizations the viewer is a member of."""
    is_member = organizations.c.id.in_(organization_ids_of(viewer))
    return and_(is_member, organizations.c.deleted_at.is_(None))


def is_deleted_workspace_uncorrelated(workspace: ColumnElement[str]) -> ColumnElement[bool]:
    """Match like `is_deleted_workspace`, reading all deleted organizations once, for long scans."""
    deleted = select(literal("org:", Text) + organizations.c.id)
    return workspace.in_(deleted.where(organizations.c.deleted_at.is_not(None)))


def is_deleted_workspace(workspace: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a column of workspaces names a deleted organization."""
    return (
        exists()
        .where(
            organizations.c.id == func.substr(workspace, len("org:") + 1),
            organizations.c.deleted_at.is_not(None),
        )
        .correlate_except(organizations)
    )


def organization_ids_of(viewer: Viewer) -> list[str]:
    """Return the ids of the organizations the viewer is a member of, sorted."""
    return sorted(
        channel.removeprefix("org:")
        for channel in viewer.channels
        if channel.startswith("org:") and channel.count(":") == 1
    )


def read_visible_by_slug(tx: Connection, viewer: Viewer, slug: str) -> Organization:
    """Return an organization. Raises NotFound if it is not visible, or does not exist."""
    return _require_visible(tx, viewer, organizations.c.slug == slug)


def read_visible_by_id(tx: Connection, viewer: Viewer, organization_id: str) -> Organization:
    """Return an organization. Raises NotFound if it is not visible, or does not exist."""
    return _require_visible(tx, viewer, organizations.c.id == organization_id)


def _require_visible(
    tx: Connection, viewer: Viewer, condition: ColumnElement[bool]
) -> Organization:
    query = select(organizations).where(visible_to(viewer), condition)
    row = fetch_first(tx, query, OrganizationRow)
    if row is None:
        raise NotFound(gettext("This organization doesn’t exist, or you don’t have access to it."))
    return organization_from_row(row)


def list_own_organizations(tx: Connection, viewer: Viewer) -> list[Organization]:
    """List the organizations the viewer is a member of, by name."""
    return _list_organizations(tx, where_own(viewer))


def list_visible_organizations(tx: Connection, viewer: Viewer) -> list[Organization]:
    """List all organizations the viewer may see, by name."""
    return _list_organizations(tx, visible_to(viewer))


def _list_organizations(tx: Connection, condition: ColumnElement[bool]) -> list[Organization]:
    query = select(organizations).where(condition).order_by(organizations.c.name)
    return [organization_from_row(row) for row in fetch_all(tx, query, OrganizationRow)]


def read_organizations_by_id(tx: Connection, ids: Collection[str]) -> dict[str, Organization]:
    """Return organizations by id, to label tickets that are known to be visible."""
    if not ids:
        return {}
    rows = fetch_all(tx, _SELECT_BY_IDS, OrganizationRow, {"ids": list(ids)})
    return {row.id: organization_from_row(row) for row in rows}


_SELECT_BY_IDS = select(organizations).where(
    organizations.c.id.in_(bindparam("ids", expanding=True))
)


def find_for_share(tx: Connection, organization_id: str) -> Organization | None:
    """Find an organization that no one changes before the transaction `tx` has ended.

    An event on its channels must not be numbered after a change of its visibility and still name
    the generation before it: no one would hear it.
    """
    row = fetch_first(tx, _SELECT_FOR_SHARE, OrganizationRow, {"of": organization_id})
    return None if row is None else organization_from_row(row)


_SELECT_FOR_SHARE = (
    select(organizations).where(organizations.c.id == bindparam("of")).with_for_update(read=True)
)


def organization_from_row(row: OrganizationRow) -> Organization:
    """Build an Organization from a row of `organizations`."""
    return Organization(
        row.id,
        row.slug,
        row.name,
        row.internal,
        row.about,
        cast("Visibility", row.visibility),
        row.generation,
        row.created_at,
        row.revision,
        row.deleted_at is not None,
    )
