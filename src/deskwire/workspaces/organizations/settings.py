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
from deskwire.events.channels import STAFF_CHANNEL, Channel
from deskwire.events.types.registry import (
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationRenamed,
    OrganizationUpdated,
    OrganizationVisibilityChanged,
)
from deskwire.kit.clock import DAY
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict, Forbidden, Invalid
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.kit.text import is_blank, is_control_character
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.members import add_member
from deskwire.workspaces.organizations.organizations import (
    VISIBILITIES,
    Organization,
    categories,
    organization_from_row,
    organization_members,
    organizations,
    read_categories,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import Permission, can, require
from deskwire.workspaces.origin import Principal

MAX_NAME_LENGTH = 80  # longer names break every list they stand in
MAX_ABOUT_LENGTH = 500  # a short paragraph
DEFAULT_CATEGORIES = N_("Question, Problem, Change, Other")  # of a new organization
MAX_ADMINISTERED_ORGANIZATIONS = 20  # per person; more is an attempt to fill the desk
MAX_CATEGORIES = 30  # a list to choose from; more is a search
COMMA_PATTERN = re.compile(r"\s*[,،、，]\s*")  # of any script
SLUG_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])")
RESERVED_SLUGS = frozenset({"admin", "api", "deskwire", "new", "settings", "staff", "team"})


def create_organization(tx: Connection, actor: Actor, name: str, slug: str = "") -> Organization:
    """Found an organization; whoever does becomes its admin. Invalid if the address is taken,
    Conflict for who has too many."""
    shown = parse_organization_name(name)
    _check_organization_limit(tx, actor)
    address = parse_slug(slug) if slug.strip() else _generate_slug(tx, shown)
    _require_slug_available(tx, address)
    id_ = new_id()
    row = {"id": id_, "slug": address, "name": shown, "internal": False, "revision": 1}
    with _slug_conflict_as_invalid(address):
        tx.execute(insert(organizations).values({**row, "created_at": actor.at}))
    names = [
        {"id": new_id(), "organization": id_, "name": each, "place": place, "revision": 1}
        for place, each in enumerate(COMMA_PATTERN.split(gettext(DEFAULT_CATEGORIES)))
    ]
    tx.execute(insert(categories), names)
    made = organization_from_row(tx.execute(select(organizations).filter_by(id=id_)).one())
    own = channels.user(actor.person_id)
    event = OrganizationCreated(**organization_event_fields(actor.person_id, made))
    log.append(tx, event, channels=[own, made.workspace, STAFF_CHANNEL])
    add_member(tx, actor, made, actor.person_id, "admin")
    return made


def update_profile(
    tx: Connection,
    actor: Actor,
    organization_id: str,
    *,
    name: str | None = None,
    slug: str | None = None,
    about: str | None = None,
) -> Organization:
    """Give an organization another name, another address, other words about itself; what is None
    stays."""
    before = _lock_organization(tx, actor, organization_id, Permission.PROFILE)
    address = before.slug if slug is None else parse_slug(slug)
    if address != before.slug:
        _require_slug_available(tx, address)
    values = {
        "name": before.name if name is None else parse_organization_name(name),
        "slug": address,
        "about": before.about if about is None else _parse_about(about),
    }
    if values == {"name": before.name, "slug": before.slug, "about": before.about}:
        return before
    with _slug_conflict_as_invalid(address):
        now = _update_organization(tx, organization_id, values)
    if (now.name, now.slug) == (before.name, before.slug):
        log.append(
            tx,
            OrganizationUpdated(**organization_event_fields(actor.person_id, now)),
            channels=_channels_of(now),
        )
        return now
    told = organization_event_fields(actor.person_id, now) | {
        "old_name": before.name,
        "old_slug": before.slug,
    }
    log.append(tx, OrganizationRenamed(**told), channels=_channels_of(now))
    return now


def set_visibility(
    tx: Connection, actor: Actor, organization_id: str, visibility: str
) -> Organization:
    """Say who sees requests. What was told under the old mode is out of every cursor's reach."""
    before = _lock_client_organization(tx, actor, organization_id, Permission.PROFILE)
    if visibility not in VISIBILITIES:
        raise Invalid(
            gettext("Choose who sees requests."), {"visibility": gettext("Choose one of the two.")}
        )
    if visibility == before.visibility:
        return before
    values = {"visibility": visibility, "generation": organizations.c.generation + 1}
    now = _update_organization(tx, organization_id, values)
    event = OrganizationVisibilityChanged(
        **organization_event_fields(actor.person_id, now), visibility=visibility
    )
    touches = [now.workspace, *read_member_channels(tx, organization_id)]
    log.append(tx, event, channels=_channels_of(now), access_changes=touches)
    return now


def mark_organization_deleted(
    tx: Connection,
    actor: Actor,
    organization_id: str,
    typed_name: str,
    extra_channels: Iterable[Channel] = (),
) -> None:
    """Delete an organization, whose name was typed to confirm; its address is free again.

    `outsiders`: channels of those who are no members and lose something by it all the same.
    """
    before = _lock_client_organization(tx, actor, organization_id, Permission.DELETE)
    if typed_name.strip() != before.name:
        sentence = gettext("Type the name, %(before)s, to confirm.", before=before.name)
        raise Invalid(sentence, {"confirmed": sentence})
    gone = _update_organization(
        tx, organization_id, {"deleted_at": actor.at, "slug": f"deleted-{organization_id}"}
    )
    log.redact_workspace(tx, gone.workspace)
    event = OrganizationDeleted(**organization_event_fields(actor.person_id, gone))
    touches = [gone.workspace, *read_member_channels(tx, organization_id), *extra_channels]
    log.append(tx, event, channels=_channels_of(gone), access_changes=touches)


def add_category(tx: Connection, actor: Actor, organization_id: str, name: str) -> None:
    """Add a category at the end of the list."""
    place = _lock_client_organization(tx, actor, organization_id, Permission.CATEGORIES)
    known = read_categories(tx, organization_id)
    shown = parse_organization_name(name)
    if any(each.name == shown for each in known):
        raise Conflict(gettext("There is a category “%(shown)s” already.", shown=shown))
    if len(known) >= MAX_CATEGORIES:
        sentence = gettext(
            "The list of categories is full (%(most)s). Archived ones count.", most=MAX_CATEGORIES
        )
        raise Conflict(sentence)
    row = {
        "id": new_id(),
        "organization": organization_id,
        "name": shown,
        "place": len(known),
        "revision": 1,
    }
    tx.execute(insert(categories).values(row))
    _record_updated(tx, actor, place)


def toggle_category_archived(
    tx: Connection, actor: Actor, organization_id: str, category_id: str
) -> None:
    """Take a category out of the list for new requests, or put it back."""
    place = _lock_client_organization(tx, actor, organization_id, Permission.CATEGORIES)
    mine = (categories.c.id == category_id) & (categories.c.organization == organization_id)
    known = {each.id: each for each in read_categories(tx, organization_id)}
    if category_id not in known:
        raise Invalid(gettext("There is no such category."))
    at = None if known[category_id].archived else actor.at
    changed = update(categories).where(mine)
    tx.execute(changed.values(archived_at=at, revision=categories.c.revision + 1))
    _record_updated(tx, actor, place)


def parse_organization_name(text: str) -> str:
    """A name on one line, 2 to 80 characters."""
    name = " ".join(text.split())
    is_long = not 2 <= len(name) <= MAX_NAME_LENGTH
    if is_blank(name) or is_long or any(map(is_control_character, name)):
        sentence = gettext(
            "Write a name of 2 to %(most)s ordinary characters.",
            most=MAX_NAME_LENGTH,
        )
        raise Invalid(sentence, {"name": sentence})
    return name


def parse_slug(text: str) -> str:
    """The end of an organization's address: 2 to 40 of a–z, 0–9 and -."""
    slug = text.strip().lower()
    if (
        SLUG_PATTERN.fullmatch(slug) is None
        or slug in RESERVED_SLUGS
        or slug.startswith("deleted-")
    ):
        sentence = gettext(
            "An address has 2 to 40 of a–z, 0–9 and -, and is no word of the desk's own."
        )
        raise Invalid(sentence, {"slug": sentence})
    return slug


def _parse_about(text: str) -> str | None:
    about = text.replace("\0", "").strip()
    if len(about) > MAX_ABOUT_LENGTH:
        sentence = gettext("Say it in at most %(most)s characters.", most=MAX_ABOUT_LENGTH)
        raise Invalid(sentence, {"about": sentence})
    return about or None


def _generate_slug(tx: Connection, name: str) -> str:
    """An address made of the name; with a number behind it where it is taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:34].strip("-") or "organization"
    wanted = stem if SLUG_PATTERN.fullmatch(stem) and stem not in RESERVED_SLUGS else f"{stem}-desk"
    acquire_advisory_lock(tx, f"slug {wanted}")  # of two with the same name the second has a number
    like = organizations.c.slug.startswith(wanted, autoescape=True)
    taken = set(tx.execute(select(organizations.c.slug).where(like)).scalars())
    numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (wanted, *numbered) if each not in taken)


def _check_organization_limit(tx: Connection, actor: Actor) -> None:
    """Conflict for who is admin of as many as one person may found. One that was deleted counts for
    a day more, or there would be no end to founding and deleting."""
    if can(actor.viewer, Permission.ORGANIZATIONS):
        return
    acquire_advisory_lock(tx, f"organizations of {actor.person_id}")
    member, org = organization_members.c, organizations.c
    theirs = (member.person == actor.person_id) & (member.role == "admin")
    counts = ~org.internal & or_(org.deleted_at.is_(None), org.deleted_at > actor.at - DAY)
    of_them = organizations.join(organization_members, org.id == member.organization)
    held = select(func.count()).select_from(of_them).where(theirs, counts)
    if tx.execute(held).scalar_one() >= MAX_ADMINISTERED_ORGANIZATIONS:
        raise Conflict(
            gettext(
                "You are an admin of %(most)s organizations, with those deleted since yesterday. "
                "That is the most one person may create. Ask the team of this desk for another.",
                most=MAX_ADMINISTERED_ORGANIZATIONS,
            )
        )


def _require_slug_available(tx: Connection, slug: str) -> None:
    acquire_advisory_lock(tx, f"slug {slug}")
    if tx.execute(select(organizations.c.id).where(organizations.c.slug == slug)).first():
        raise _slug_taken(slug)


@contextmanager
def _slug_conflict_as_invalid(slug: str) -> Iterator[None]:
    """What takes the address: the database has the last word, who writes by hand waits for no
    `lock`."""
    try:
        yield
    except IntegrityError:
        raise _slug_taken(slug) from None


def _slug_taken(slug: str) -> Invalid:
    sentence = gettext("The address %(slug)s is taken. Choose another.", slug=slug)
    return Invalid(sentence, {"slug": sentence})


def _lock_client_organization(
    tx: Connection, actor: Actor, organization_id: str, permission: Permission
) -> Organization:
    """`_hold`, of a client's: the team's own has no requests, and without it there is no team."""
    place = _lock_organization(tx, actor, organization_id, permission)
    if place.internal:
        raise Forbidden(
            gettext("This is the team’s own organization; only its profile can be changed.")
        )
    return place


def _lock_organization(
    tx: Connection, actor: Actor, organization_id: str, permission: Permission
) -> Organization:
    """The organization, if the viewer may; until the transaction ends nobody else changes it."""
    acquire_advisory_lock(
        tx, f"organization {organization_id}"
    )  # or of two who change another column each, one would undo
    place = read_visible_by_id(tx, actor.viewer, organization_id)
    require(actor.viewer, permission, place.workspace)
    return place


def _update_organization(
    tx: Connection, organization_id: str, values: dict[str, Any]
) -> Organization:
    mine = update(organizations).where(organizations.c.id == organization_id)
    raised = mine.values(**values, revision=organizations.c.revision + 1)
    row: Row[Any] = tx.execute(raised.returning(organizations)).one()
    return organization_from_row(row)


def _record_updated(tx: Connection, actor: Actor, organization: Organization) -> None:
    now = _update_organization(tx, organization.id, {})
    log.append(
        tx,
        OrganizationUpdated(**organization_event_fields(actor.person_id, now)),
        channels=_channels_of(now),
    )


def organization_event_fields(actor_id: Principal, organization: Organization) -> dict[str, Any]:
    """What every event of an organization says."""
    return {
        "workspace": organization.workspace,
        "actor": actor_id,
        "organization": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "revision": organization.revision,
    }


def _channels_of(organization: Organization) -> list[Channel]:
    return [organization.workspace, STAFF_CHANNEL]


def read_member_channels(tx: Connection, organization_id: str) -> list[Channel]:
    """The own channel of every member."""
    table = organization_members
    people = tx.execute(
        select(table.c.person).where(table.c.organization == organization_id)
    ).scalars()
    return [channels.user(person) for person in people]
