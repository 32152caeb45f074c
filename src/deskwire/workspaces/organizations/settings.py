"""Founding organizations, and changing what they are: name, address, visibility, categories."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from deskwire.events import channels, log
from deskwire.events.channels import STAFF, Channel
from deskwire.events.types.registry import (
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationRenamed,
    OrganizationUpdated,
    OrganizationVisibilityChanged,
)
from deskwire.kit.clock import DAY
from deskwire.kit.db import lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.kit.text import is_blank, is_disruptive
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations.members import join
from deskwire.workspaces.organizations.organizations import (
    VISIBILITIES,
    Organization,
    categories,
    organization_members,
    organization_of,
    organizations,
    read_categories,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import Right, demand, may
from deskwire.workspaces.origin import Principal

NAME_CHARACTERS = 80  # longer names break every list they stand in
ABOUT_CHARACTERS = 500  # a short paragraph
CATEGORIES = N_("Question, Problem, Change, Other")  # of a new organization
MAX_FOUNDED = 20  # organizations of one person; more is somebody who fills the desk
MAX_CATEGORIES = 30  # a list to choose from; more is a search
COMMA = re.compile(r"\s*[,،、，]\s*")  # of any script
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])")
RESERVED = frozenset({"admin", "api", "deskwire", "new", "settings", "staff", "team"})


def create(tx: Connection, deed: Deed, name: str, slug: str = "") -> Organization:
    """Found an organization; whoever does becomes its admin. Invalid if the address is taken,
    Conflict for who has too many."""
    shown = parse_name(name)
    _check_room(tx, deed)
    address = parse_slug(slug) if slug.strip() else _free_slug(tx, shown)
    _check_free(tx, address)
    id_ = new_id()
    row = {"id": id_, "slug": address, "name": shown, "internal": False, "revision": 1}
    with _refusing(address):
        tx.execute(insert(organizations).values({**row, "created_at": deed.at}))
    names = [
        {"id": new_id(), "organization": id_, "name": each, "place": place, "revision": 1}
        for place, each in enumerate(COMMA.split(gettext(CATEGORIES)))
    ]
    tx.execute(insert(categories), names)
    made = organization_of(tx.execute(select(organizations).filter_by(id=id_)).one())
    own = channels.user(deed.person)
    event = OrganizationCreated(**told_of(deed.person, made))
    log.append(tx, event, channels=[own, made.workspace, STAFF])
    join(tx, deed, made, deed.person, "admin")
    return made


def rename(
    tx: Connection,
    deed: Deed,
    id_: str,
    *,
    name: str | None = None,
    slug: str | None = None,
    about: str | None = None,
) -> Organization:
    """Give an organization another name, another address, other words about itself; what is None
    stays."""
    before = _hold(tx, deed, id_, Right.PROFILE)
    address = before.slug if slug is None else parse_slug(slug)
    if address != before.slug:
        _check_free(tx, address)
    values = {
        "name": before.name if name is None else parse_name(name),
        "slug": address,
        "about": before.about if about is None else _parse_about(about),
    }
    if values == {"name": before.name, "slug": before.slug, "about": before.about}:
        return before
    with _refusing(address):
        now = _change(tx, id_, values)
    if (now.name, now.slug) == (before.name, before.slug):
        log.append(tx, OrganizationUpdated(**told_of(deed.person, now)), channels=_audience(now))
        return now
    told = told_of(deed.person, now) | {"old_name": before.name, "old_slug": before.slug}
    log.append(tx, OrganizationRenamed(**told), channels=_audience(now))
    return now


def set_visibility(tx: Connection, deed: Deed, id_: str, visibility: str) -> Organization:
    """Say who sees requests. What was told under the old mode is out of every cursor's reach."""
    before = _hold_client(tx, deed, id_, Right.PROFILE)
    if visibility not in VISIBILITIES:
        raise Invalid(
            gettext("Choose who sees requests."), {"visibility": gettext("Choose one of the two.")}
        )
    if visibility == before.visibility:
        return before
    values = {"visibility": visibility, "generation": organizations.c.generation + 1}
    now = _change(tx, id_, values)
    event = OrganizationVisibilityChanged(**told_of(deed.person, now), visibility=visibility)
    touches = [now.workspace, *member_channels(tx, id_)]
    log.append(tx, event, channels=_audience(now), touches=touches)
    return now


def delete(
    tx: Connection, deed: Deed, id_: str, confirmed: str, outsiders: Iterable[Channel] = ()
) -> None:
    """Delete an organization, whose name was typed to confirm; its address is free again.

    `outsiders`: channels of those who are no members and lose something by it all the same.
    """
    before = _hold_client(tx, deed, id_, Right.DELETE)
    if confirmed.strip() != before.name:
        sentence = gettext("Type the name, %(before)s, to confirm.", before=before.name)
        raise Invalid(sentence, {"confirmed": sentence})
    gone = _change(tx, id_, {"deleted_at": deed.at, "slug": f"deleted-{id_}"})
    log.silence(tx, gone.workspace)
    event = OrganizationDeleted(**told_of(deed.person, gone))
    touches = [gone.workspace, *member_channels(tx, id_), *outsiders]
    log.append(tx, event, channels=_audience(gone), touches=touches)


def add_category(tx: Connection, deed: Deed, id_: str, name: str) -> None:
    """Add a category at the end of the list."""
    place = _hold_client(tx, deed, id_, Right.CATEGORIES)
    known = read_categories(tx, id_)
    shown = parse_name(name)
    if any(each.name == shown for each in known):
        raise Conflict(gettext("There is a category “%(shown)s” already.", shown=shown))
    if len(known) >= MAX_CATEGORIES:
        sentence = gettext(
            "The list of categories is full (%(most)s). Archived ones count.", most=MAX_CATEGORIES
        )
        raise Conflict(sentence)
    row = {"id": new_id(), "organization": id_, "name": shown, "place": len(known), "revision": 1}
    tx.execute(insert(categories).values(row))
    _tell_update(tx, deed, place)


def archive_category(tx: Connection, deed: Deed, id_: str, category: str) -> None:
    """Take a category out of the list for new requests, or put it back."""
    place = _hold_client(tx, deed, id_, Right.CATEGORIES)
    mine = (categories.c.id == category) & (categories.c.organization == id_)
    known = {each.id: each for each in read_categories(tx, id_)}
    if category not in known:
        raise Invalid(gettext("There is no such category."))
    at = None if known[category].archived else deed.at
    changed = update(categories).where(mine)
    tx.execute(changed.values(archived_at=at, revision=categories.c.revision + 1))
    _tell_update(tx, deed, place)


def parse_name(text: str) -> str:
    """A name on one line, 2 to 80 characters."""
    name = " ".join(text.split())
    is_long = not 2 <= len(name) <= NAME_CHARACTERS
    if is_blank(name) or is_long or any(map(is_disruptive, name)):
        sentence = gettext(
            "Write a name of 2 to %(most)s ordinary characters.",
            most=NAME_CHARACTERS,
        )
        raise Invalid(sentence, {"name": sentence})
    return name


def parse_slug(text: str) -> str:
    """The end of an organization's address: 2 to 40 of a–z, 0–9 and -."""
    slug = text.strip().lower()
    if SLUG.fullmatch(slug) is None or slug in RESERVED or slug.startswith("deleted-"):
        sentence = gettext(
            "An address has 2 to 40 of a–z, 0–9 and -, and is no word of the desk's own."
        )
        raise Invalid(sentence, {"slug": sentence})
    return slug


def _parse_about(text: str) -> str | None:
    about = text.replace("\0", "").strip()
    if len(about) > ABOUT_CHARACTERS:
        sentence = gettext("Say it in at most %(most)s characters.", most=ABOUT_CHARACTERS)
        raise Invalid(sentence, {"about": sentence})
    return about or None


def _free_slug(tx: Connection, name: str) -> str:
    """An address made of the name; with a number behind it where it is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:34].strip("-") or "organization"
    wanted = stem if SLUG.fullmatch(stem) and stem not in RESERVED else f"{stem}-desk"
    lock(tx, f"slug {wanted}")  # of two with the same name the second has a number
    like = organizations.c.slug.startswith(wanted, autoescape=True)
    taken = set(tx.execute(select(organizations.c.slug).where(like)).scalars())
    numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (wanted, *numbered) if each not in taken)


def _check_room(tx: Connection, deed: Deed) -> None:
    """Conflict for who is admin of as many as one person may found. One that was deleted counts for
    a day more, or there would be no end to founding and deleting."""
    if may(deed.viewer, Right.ORGANIZATIONS):
        return
    lock(tx, f"organizations of {deed.person}")
    member, org = organization_members.c, organizations.c
    theirs = (member.person == deed.person) & (member.role == "admin")
    counts = ~org.internal & or_(org.deleted_at.is_(None), org.deleted_at > deed.at - DAY)
    of_them = organizations.join(organization_members, org.id == member.organization)
    held = select(func.count()).select_from(of_them).where(theirs, counts)
    if tx.execute(held).scalar_one() >= MAX_FOUNDED:
        raise Conflict(
            gettext(
                "You are an admin of %(most)s organizations, with those deleted since yesterday. "
                "That is the most one person may create. Ask the team of this desk for another.",
                most=MAX_FOUNDED,
            )
        )


def _check_free(tx: Connection, slug: str) -> None:
    lock(tx, f"slug {slug}")
    if tx.execute(select(organizations.c.id).where(organizations.c.slug == slug)).first():
        raise _taken(slug)


@contextmanager
def _refusing(slug: str) -> Iterator[None]:
    """What takes the address: the database has the last word, who writes by hand waits for no
    `lock`."""
    try:
        yield
    except IntegrityError:
        raise _taken(slug) from None


def _taken(slug: str) -> Invalid:
    sentence = gettext("The address %(slug)s is taken. Choose another.", slug=slug)
    return Invalid(sentence, {"slug": sentence})


def _hold_client(tx: Connection, deed: Deed, id_: str, right: Right) -> Organization:
    """`_hold`, of a client's: the team's own has no requests, and without it there is no team."""
    place = _hold(tx, deed, id_, right)
    if place.internal:
        raise Forbidden(
            gettext("This is the team’s own organization; only its profile can be changed.")
        )
    return place


def _hold(tx: Connection, deed: Deed, id_: str, right: Right) -> Organization:
    """The organization, if the viewer may; until the transaction ends nobody else changes it."""
    lock(tx, f"organization {id_}")  # or of two who change another column each, one would undo
    place = read_visible_by_id(tx, deed.viewer, id_)
    demand(deed.viewer, right, place.workspace)
    return place


def _change(tx: Connection, id_: str, values: dict[str, Any]) -> Organization:
    mine = update(organizations).where(organizations.c.id == id_)
    raised = mine.values(**values, revision=organizations.c.revision + 1)
    row: Row[Any] = tx.execute(raised.returning(organizations)).one()
    return organization_of(row)


def _tell_update(tx: Connection, deed: Deed, place: Organization) -> None:
    now = _change(tx, place.id, {})
    log.append(tx, OrganizationUpdated(**told_of(deed.person, now)), channels=_audience(now))


def told_of(actor: Principal, place: Organization) -> dict[str, Any]:
    """What every event of an organization says."""
    return {
        "workspace": place.workspace,
        "actor": actor,
        "organization": place.id,
        "name": place.name,
        "slug": place.slug,
        "revision": place.revision,
    }


def _audience(place: Organization) -> list[Channel]:
    return [place.workspace, STAFF]


def member_channels(tx: Connection, id_: str) -> list[Channel]:
    """The own channel of every member."""
    table = organization_members
    people = tx.execute(select(table.c.person).where(table.c.organization == id_)).scalars()
    return [channels.user(person) for person in people]
