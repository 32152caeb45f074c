"""List and search people and organizations, in pages.

The staff's pages are ordered by id, the newest first, so that new rows do not shift later pages.
A viewer's own list of organizations is ordered by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    or_,
    select,
    true,
)

from deskwire.accounts.identities import identities
from deskwire.accounts.people import Person, PersonRow, people, person_from_row
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.kit.rows import fetch_all, fetch_first
from deskwire.workspaces.organizations.organizations import (
    Organization,
    OrganizationRow,
    organization_from_row,
    organization_members,
    organizations,
    visible_to,
)
from deskwire.workspaces.organizations.permissions import Permission, is_staff, require

PAGE_SIZE = 50  # rows, about two screens; beyond that people search
MAX_QUERY_LENGTH = 200  # characters

Group = Literal["all", "team", "deactivated", "undeliverable"]
GROUPS: tuple[Group, ...] = get_args(Group)


class _HasId(Protocol):
    id: str


_RowWithId = TypeVar("_RowWithId", bound=_HasId)


@dataclass(frozen=True, slots=True)
class DirectoryFilter:
    """A search; `after` is the id of the last row of the previous page."""

    query: str = ""
    group: Group = "all"
    after: str = ""

    @property
    def query_params(self) -> dict[str, str]:
        """The query parameters of this search's URL, without defaults."""
        group = "" if self.group == "all" else self.group
        params = {"q": self.query, "group": group, "after": self.after}
        return {name: value for name, value in params.items() if value}


@dataclass(frozen=True, slots=True)
class OrganizationMembership:
    """An organization a person is a member of, and their role in it."""

    name: str
    href: str
    internal: bool
    role: str


@dataclass(frozen=True, slots=True)
class DirectoryPerson:
    """A person with their memberships and Discord user."""

    person: Person
    memberships: tuple[OrganizationMembership, ...]
    discord_id: str | None

    @property
    def href(self) -> str:
        return f"/admin/people/{self.person.id}"

    @property
    def staff_role(self) -> str | None:
        """The person's role in the staff, if any."""
        roles = (membership.role for membership in self.memberships if membership.internal)
        return next(roles, None)

    @property
    def client_memberships(self) -> tuple[OrganizationMembership, ...]:
        """The client organizations the person is a member of."""
        return tuple(membership for membership in self.memberships if not membership.internal)


@dataclass(frozen=True, slots=True)
class DirectoryOrganization:
    """A client's organization with its number of members."""

    organization: Organization
    deleted_at: Millis | None
    member_count: int


def parse_directory_filter(fields: Mapping[str, str]) -> DirectoryFilter:
    """Parse a URL's query parameters; invalid ones fall back to the default."""
    query = fields.get("q", "").replace("\0", "").encode("utf-8", "ignore").decode()
    after = fields.get("after", "")
    return DirectoryFilter(
        " ".join(query.split())[:MAX_QUERY_LENGTH],
        next((word for word in GROUPS if word == fields.get("group")), "all"),
        after if is_id(after) else "",
    )


def search_people(
    tx: Connection, viewer: Viewer, filters: DirectoryFilter
) -> tuple[list[DirectoryPerson], str]:
    """Return a page of people, and the `after` of the next page; "" if it is the last."""
    require(viewer, Permission.PEOPLE)
    member, org = organization_members, organizations
    conditions = [people.c.deleted_at.is_(None), _after_cursor(people.c.id, filters)]
    if filters.query:
        by_identity = select(identities.c.person).where(identities.c.subject == filters.query)
        matches = [column.icontains(filters.query, autoescape=True) for column in _SEARCH_COLUMNS]
        conditions.append(or_(*matches, people.c.id.in_(by_identity)))
    if filters.group == "team":
        staff = select(member.c.person).join(org, org.c.id == member.c.organization)
        conditions.append(people.c.id.in_(staff.where(org.c.internal)))
    if filters.group == "deactivated":
        conditions.append(people.c.deactivated_at.is_not(None))
    if filters.group == "undeliverable":
        conditions.append(people.c.undeliverable_since.is_not(None))
    rows, after = _read_page(tx, select(people).where(*conditions), people.c.id, PersonRow)
    return _with_memberships(tx, [person_from_row(row) for row in rows]), after


def read_person(tx: Connection, viewer: Viewer, person_id: PersonId) -> DirectoryPerson:
    """Return a person. Raises NotFound if there is none, or they deleted their account."""
    require(viewer, Permission.PEOPLE)
    query = select(people).where(people.c.id == person_id, people.c.deleted_at.is_(None))
    row = fetch_first(tx, query, PersonRow)
    if row is None:
        raise NotFound(gettext("This person doesn’t exist."))
    return _with_memberships(tx, [person_from_row(row)])[0]


def search_organizations(
    tx: Connection, viewer: Viewer, filters: DirectoryFilter
) -> tuple[list[DirectoryOrganization], str]:
    """Return a page of client organizations, including deleted ones, and the next `after`.

    Raises Forbidden unless the viewer is staff.
    """
    if not is_staff(viewer):
        raise Forbidden(gettext("Only the team can see this page."))
    org, member = organizations, organization_members
    conditions = [~org.c.internal, _after_cursor(org.c.id, filters)]
    if filters.query:
        columns = (org.c.name, org.c.slug)
        matches = [column.icontains(filters.query, autoescape=True) for column in columns]
        conditions.append(or_(*matches))
    query = select(org).where(*conditions)
    rows, after = _read_page(tx, query, org.c.id, OrganizationRow)
    ids = [row.id for row in rows]
    count = select(member.c.organization, func.count()).where(member.c.organization.in_(ids))
    counts = {row[0]: row[1] for row in tx.execute(count.group_by(member.c.organization))}
    page = [
        DirectoryOrganization(organization_from_row(row), row.deleted_at, counts.get(row.id, 0))
        for row in rows
    ]
    return page, after


def list_client_organizations(
    tx: Connection, viewer: Viewer, after: str = ""
) -> tuple[list[Organization], str | None]:
    """Return a page of the client organizations the viewer may see, oldest first.

    Not by name: one that is renamed while the pages are read could be missed. Also returns the
    `after` of the next page; None if it is the last. Raises Invalid if `after` is malformed.
    """
    org = organizations.c
    conditions = [visible_to(viewer), ~org.internal]
    if after:
        if not is_id(after):
            raise Invalid("`after` is not from this list. Omit it to get the first page.")
        conditions.append(org.id > after)
    query = select(organizations).where(*conditions).order_by(org.id)
    rows = fetch_all(tx, query.limit(PAGE_SIZE + 1), OrganizationRow)
    page = [organization_from_row(row) for row in rows[:PAGE_SIZE]]
    return page, page[-1].id if len(rows) > PAGE_SIZE else None


_SEARCH_COLUMNS = (people.c.name, people.c.email)


def _after_cursor(id_: ColumnElement[str], filters: DirectoryFilter) -> ColumnElement[bool]:
    return id_ < filters.after if filters.after else true()


def _read_page(
    tx: Connection, query: Select[Any], id_: ColumnElement[str], view: type[_RowWithId]
) -> tuple[Sequence[_RowWithId], str]:
    rows = fetch_all(tx, query.order_by(id_.desc()).limit(PAGE_SIZE + 1), view)
    return rows[:PAGE_SIZE], rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else ""


def _with_memberships(tx: Connection, persons: Collection[Person]) -> list[DirectoryPerson]:
    ids = [person.id for person in persons]
    memberships = _read_memberships(tx, ids)
    query = select(identities.c.person, identities.c.subject).where(
        identities.c.person.in_(ids), identities.c.provider == "discord"
    )
    discord_ids = {row[0]: row[1] for row in tx.execute(query)}
    return [
        DirectoryPerson(person, tuple(memberships.get(person.id, ())), discord_ids.get(person.id))
        for person in persons
    ]


def _read_memberships(
    tx: Connection, ids: Collection[PersonId]
) -> dict[PersonId, list[OrganizationMembership]]:
    member, org = organization_members, organizations
    rows = tx.execute(
        select(member.c.person, member.c.role, org.c.name, org.c.slug, org.c.internal)
        .join(org, org.c.id == member.c.organization)
        .where(member.c.person.in_(ids), org.c.deleted_at.is_(None))
        .order_by(org.c.name)
    )
    memberships: dict[PersonId, list[OrganizationMembership]] = {}
    for row in rows:
        membership = OrganizationMembership(row.name, f"/orgs/{row.slug}", row.internal, row.role)
        memberships.setdefault(row.person, []).append(membership)
    return memberships
