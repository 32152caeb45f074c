"""The directory: everybody who has an account, and every organization, page by page.

The team's pages go by id, the newest first: whoever comes meanwhile shifts none of them. Those of
the organizations somebody sees go by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from deskwire.accounts.identities import identities
from deskwire.accounts.people import Person, people
from deskwire.events.access import Viewer
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Forbidden, Invalid, NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_from_row,
    organization_members,
    organizations,
    visible_to,
)
from deskwire.workspaces.organizations.permissions import Permission, is_staff, require

PAGE_SIZE = 50  # rows; more than two screens are searched, not scrolled
MAX_QUERY_LENGTH = 200  # characters of a search

Group = Literal["all", "team", "deactivated"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class DirectoryFilter:
    """What somebody looks for; `after` is the id of the last row of the page before."""

    query: str = ""
    group: Group = "all"
    after: str = ""

    @property
    def query_params(self) -> dict[str, str]:
        """As a URL says it; what is as usual is left out."""
        group = "" if self.group == "all" else self.group
        said = {"q": self.query, "group": group, "after": self.after}
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class OrganizationMembership:
    """An organization somebody belongs to, and as what."""

    name: str
    href: str
    internal: bool
    role: str


@dataclass(frozen=True, slots=True)
class DirectoryPerson:
    """A person with where they belong and who they are at Discord."""

    person: Person
    memberships: tuple[OrganizationMembership, ...]
    discord_id: str | None

    @property
    def href(self) -> str:
        return f"/admin/people/{self.person.id}"

    @property
    def staff_role(self) -> str | None:
        """Their role in the team."""
        return next((each.role for each in self.memberships if each.internal), None)

    @property
    def client_memberships(self) -> tuple[OrganizationMembership, ...]:
        """The organizations they are a client of."""
        return tuple(each for each in self.memberships if not each.internal)


@dataclass(frozen=True, slots=True)
class DirectoryOrganization:
    """A client's organization, and how many belong to it."""

    organization: Organization
    deleted_at: Millis | None
    member_count: int


def parse_directory_filter(fields: Mapping[str, str]) -> DirectoryFilter:
    """What a URL asks for; what it cannot mean falls back to the default."""
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
    """A page of people, and the id the next one begins after; nothing where it is the last."""
    require(viewer, Permission.PEOPLE)
    member, org = organization_members, organizations
    conditions = [people.c.deleted_at.is_(None), _after_cursor(people.c.id, filters)]
    if filters.query:
        held = select(identities.c.person).where(identities.c.subject == filters.query)
        has_words = [each.icontains(filters.query, autoescape=True) for each in _SEARCH_COLUMNS]
        conditions.append(or_(*has_words, people.c.id.in_(held)))
    if filters.group == "team":
        team = select(member.c.person).join(org, org.c.id == member.c.organization)
        conditions.append(people.c.id.in_(team.where(org.c.internal)))
    if filters.group == "deactivated":
        conditions.append(people.c.deactivated_at.is_not(None))
    rows, after = _read_page(tx, select(people).where(*conditions), people.c.id)
    return _with_memberships(tx, [Person(*row) for row in rows]), after


def read_person(tx: Connection, viewer: Viewer, person_id: PersonId) -> DirectoryPerson:
    """One person; NotFound for who is not there, or has deleted their account."""
    require(viewer, Permission.PEOPLE)
    chosen = select(people).where(people.c.id == person_id, people.c.deleted_at.is_(None))
    row = tx.execute(chosen).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such person here."))
    return _with_memberships(tx, [Person(*row)])[0]


def search_organizations(
    tx: Connection, viewer: Viewer, filters: DirectoryFilter
) -> tuple[list[DirectoryOrganization], str]:
    """A page of clients' organizations, deleted ones among them; the id the next begins after."""
    if not is_staff(viewer):
        raise Forbidden(gettext("This page is for the team."))
    org, member = organizations, organization_members
    conditions = [~org.c.internal, _after_cursor(org.c.id, filters)]
    if filters.query:
        found = [
            each.icontains(filters.query, autoescape=True) for each in (org.c.name, org.c.slug)
        ]
        conditions.append(or_(*found))
    rows, after = _read_page(tx, select(org).where(*conditions), org.c.id)
    ids = [row.id for row in rows]
    counted = select(member.c.organization, func.count()).where(member.c.organization.in_(ids))
    members = {row[0]: row[1] for row in tx.execute(counted.group_by(member.c.organization))}
    companies = [
        DirectoryOrganization(organization_from_row(row), row.deleted_at, members.get(row.id, 0))
        for row in rows
    ]
    return companies, after


def list_client_organizations(
    tx: Connection, viewer: Viewer, after: str = ""
) -> tuple[list[Organization], str | None]:
    """A page of the clients' organizations the viewer may see, by name, and the `after` of the next
    one; None where it is the last. Invalid where `after` was never given out."""
    org = organizations.c
    conditions = [visible_to(viewer), ~org.internal]
    if after:
        id_, _, name = after.partition(".")
        if not is_id(id_) or "\0" in name or name.encode("utf-8", "ignore").decode() != name:
            raise Invalid("No page begins there.")
        conditions.append(tuple_(org.name, org.id) > tuple_(literal(name), literal(id_)))
    chosen = select(organizations).where(*conditions).order_by(org.name, org.id)
    rows = tx.execute(chosen.limit(PAGE_SIZE + 1)).all()
    shown = [organization_from_row(row) for row in rows[:PAGE_SIZE]]
    return shown, f"{shown[-1].id}.{shown[-1].name}" if len(rows) > PAGE_SIZE else None


_SEARCH_COLUMNS = (people.c.name, people.c.email)


def _after_cursor(id_: ColumnElement[str], filters: DirectoryFilter) -> ColumnElement[bool]:
    return id_ < filters.after if filters.after else true()


def _read_page(
    tx: Connection, query: Select[Any], id_: ColumnElement[str]
) -> tuple[list[Any], str]:
    rows = tx.execute(query.order_by(id_.desc()).limit(PAGE_SIZE + 1)).all()
    return list(rows[:PAGE_SIZE]), rows[PAGE_SIZE - 1].id if len(rows) > PAGE_SIZE else ""


def _with_memberships(tx: Connection, persons: Collection[Person]) -> list[DirectoryPerson]:
    ids = [person.id for person in persons]
    places = _read_memberships(tx, ids)
    known = select(identities.c.person, identities.c.subject).where(
        identities.c.person.in_(ids), identities.c.provider == "discord"
    )
    discord = {row[0]: row[1] for row in tx.execute(known)}
    return [
        DirectoryPerson(person, tuple(places.get(person.id, ())), discord.get(person.id))
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
    found: dict[PersonId, list[OrganizationMembership]] = {}
    for row in rows:
        place = OrganizationMembership(row.name, f"/orgs/{row.slug}", row.internal, row.role)
        found.setdefault(row.person, []).append(place)
    return found
