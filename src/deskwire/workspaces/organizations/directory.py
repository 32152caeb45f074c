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
    organization_members,
    organization_of,
    organizations,
    visible_to,
)
from deskwire.workspaces.organizations.permissions import Right, demand, is_staff

PAGE = 50  # rows; more than two screens are searched, not scrolled
MAX_QUERY = 200  # characters of a search

Group = Literal["all", "team", "deactivated"]
GROUPS: tuple[Group, ...] = get_args(Group)


@dataclass(frozen=True, slots=True)
class Seek:
    """What somebody looks for; `after` is the id of the last row of the page before."""

    query: str = ""
    group: Group = "all"
    after: str = ""

    @property
    def fields(self) -> dict[str, str]:
        """As a URL says it; what is as usual is left out."""
        group = "" if self.group == "all" else self.group
        said = {"q": self.query, "group": group, "after": self.after}
        return {name: value for name, value in said.items() if value}


@dataclass(frozen=True, slots=True)
class Place:
    """An organization somebody belongs to, and as what."""

    name: str
    href: str
    internal: bool
    role: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A person with where they belong and who they are at Discord."""

    person: Person
    places: tuple[Place, ...]
    discord: str | None

    @property
    def href(self) -> str:
        return f"/admin/people/{self.person.id}"

    @property
    def role(self) -> str | None:
        """Their role in the team."""
        return next((each.role for each in self.places if each.internal), None)

    @property
    def clients(self) -> tuple[Place, ...]:
        """The organizations they are a client of."""
        return tuple(each for each in self.places if not each.internal)


@dataclass(frozen=True, slots=True)
class Company:
    """A client's organization, and how many belong to it."""

    place: Organization
    deleted_at: Millis | None
    members: int


def parse_seek(fields: Mapping[str, str]) -> Seek:
    """What a URL asks for; what it cannot mean falls back to the default."""
    query = fields.get("q", "").replace("\0", "").encode("utf-8", "ignore").decode()
    after = fields.get("after", "")
    return Seek(
        " ".join(query.split())[:MAX_QUERY],
        next((word for word in GROUPS if word == fields.get("group")), "all"),
        after if is_id(after) else "",
    )


def find_people(tx: Connection, viewer: Viewer, seek: Seek) -> tuple[list[Listed], str]:
    """A page of people, and the id the next one begins after; nothing where it is the last."""
    demand(viewer, Right.PEOPLE)
    member, org = organization_members, organizations
    conditions = [people.c.deleted_at.is_(None), _is_after(people.c.id, seek)]
    if seek.query:
        held = select(identities.c.person).where(identities.c.subject == seek.query)
        has_words = [each.icontains(seek.query, autoescape=True) for each in _SEARCHED]
        conditions.append(or_(*has_words, people.c.id.in_(held)))
    if seek.group == "team":
        team = select(member.c.person).join(org, org.c.id == member.c.organization)
        conditions.append(people.c.id.in_(team.where(org.c.internal)))
    if seek.group == "deactivated":
        conditions.append(people.c.deactivated_at.is_not(None))
    rows, after = _page(tx, select(people).where(*conditions), people.c.id)
    return _listed(tx, [Person(*row) for row in rows]), after


def read_person(tx: Connection, viewer: Viewer, person_id: PersonId) -> Listed:
    """One person; NotFound for who is not there, or has deleted their account."""
    demand(viewer, Right.PEOPLE)
    chosen = select(people).where(people.c.id == person_id, people.c.deleted_at.is_(None))
    row = tx.execute(chosen).one_or_none()
    if row is None:
        raise NotFound(gettext("There is no such person here."))
    return _listed(tx, [Person(*row)])[0]


def find_companies(tx: Connection, viewer: Viewer, seek: Seek) -> tuple[list[Company], str]:
    """A page of clients' organizations, deleted ones among them; the id the next begins after."""
    if not is_staff(viewer):
        raise Forbidden(gettext("This page is for the team."))
    org, member = organizations, organization_members
    conditions = [~org.c.internal, _is_after(org.c.id, seek)]
    if seek.query:
        found = [each.icontains(seek.query, autoescape=True) for each in (org.c.name, org.c.slug)]
        conditions.append(or_(*found))
    rows, after = _page(tx, select(org).where(*conditions), org.c.id)
    ids = [row.id for row in rows]
    counted = select(member.c.organization, func.count()).where(member.c.organization.in_(ids))
    members = {row[0]: row[1] for row in tx.execute(counted.group_by(member.c.organization))}
    companies = [
        Company(organization_of(row), row.deleted_at, members.get(row.id, 0)) for row in rows
    ]
    return companies, after


def find_visible(
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
    rows = tx.execute(chosen.limit(PAGE + 1)).all()
    shown = [organization_of(row) for row in rows[:PAGE]]
    return shown, f"{shown[-1].id}.{shown[-1].name}" if len(rows) > PAGE else None


_SEARCHED = (people.c.name, people.c.email)


def _is_after(id_: ColumnElement[str], seek: Seek) -> ColumnElement[bool]:
    return id_ < seek.after if seek.after else true()


def _page(tx: Connection, chosen: Select[Any], id_: ColumnElement[str]) -> tuple[list[Any], str]:
    rows = tx.execute(chosen.order_by(id_.desc()).limit(PAGE + 1)).all()
    return list(rows[:PAGE]), rows[PAGE - 1].id if len(rows) > PAGE else ""


def _listed(tx: Connection, found: Collection[Person]) -> list[Listed]:
    ids = [person.id for person in found]
    places = _places(tx, ids)
    known = select(identities.c.person, identities.c.subject).where(
        identities.c.person.in_(ids), identities.c.provider == "discord"
    )
    discord = {row[0]: row[1] for row in tx.execute(known)}
    return [
        Listed(person, tuple(places.get(person.id, ())), discord.get(person.id)) for person in found
    ]


def _places(tx: Connection, ids: Collection[PersonId]) -> dict[PersonId, list[Place]]:
    member, org = organization_members, organizations
    rows = tx.execute(
        select(member.c.person, member.c.role, org.c.name, org.c.slug, org.c.internal)
        .join(org, org.c.id == member.c.organization)
        .where(member.c.person.in_(ids), org.c.deleted_at.is_(None))
        .order_by(org.c.name)
    )
    found: dict[PersonId, list[Place]] = {}
    for row in rows:
        place = Place(row.name, f"/orgs/{row.slug}", row.internal, row.role)
        found.setdefault(row.person, []).append(place)
    return found
