"""Create an organization."""

from __future__ import annotations

import re

from sqlalchemy import Connection, func, insert, or_, select

from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL
from deskwire.events.types.registry import OrganizationCreated
from deskwire.kit.clock import DAY
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Conflict
from deskwire.kit.i18n import N_, gettext
from deskwire.kit.ids import new_id
from deskwire.kit.rows import fetch_one
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.categories import categories
from deskwire.workspaces.organizations.members import add_member
from deskwire.workspaces.organizations.organizations import (
    Organization,
    OrganizationRow,
    organization_from_row,
    organization_members,
    organizations,
)
from deskwire.workspaces.organizations.permissions import Permission, can
from deskwire.workspaces.organizations.settings import (
    organization_event_fields,
    parse_organization_name,
)
from deskwire.workspaces.organizations.slugs import (
    generate_slug,
    parse_slug,
    require_slug_available,
    slug_conflict_as_invalid,
)

DEFAULT_CATEGORIES = N_("Question, Problem, Change, Other")  # of a new organization
MAX_ADMINISTERED_ORGANIZATIONS = 20  # per person; more is an attempt to fill the desk
COMMA_PATTERN = re.compile(r"\s*[,،、，]\s*")  # of any script


def create_organization(tx: Connection, actor: Actor, name: str, slug: str = "") -> Organization:
    """Create an organization with the actor as its admin; an empty slug is generated.

    Raises Invalid if the name or slug is refused, Conflict if the actor administers too many.
    """
    parsed_name = parse_organization_name(name)
    _check_organization_limit(tx, actor)
    parsed_slug = parse_slug(slug) if slug.strip() else generate_slug(tx, parsed_name)
    require_slug_available(tx, parsed_slug)
    id_ = new_id()
    row = {"id": id_, "slug": parsed_slug, "name": parsed_name, "internal": False, "revision": 1}
    with slug_conflict_as_invalid(parsed_slug):
        tx.execute(insert(organizations).values({**row, "created_at": actor.at}))
    _insert_default_categories(tx, id_)
    query = select(organizations).where(organizations.c.id == id_)
    organization = organization_from_row(fetch_one(tx, query, OrganizationRow))
    event = OrganizationCreated(**organization_event_fields(actor.person_id, organization))
    own_channel = channels.user(actor.person_id)
    log.append(tx, event, channels=[own_channel, organization.workspace, STAFF_CHANNEL])
    add_member(tx, actor, organization, actor.person_id, "admin")
    return organization


def _insert_default_categories(tx: Connection, organization_id: str) -> None:
    rows = [
        {
            "id": new_id(),
            "organization": organization_id,
            "name": name,
            "place": position,
            "revision": 1,
        }
        for position, name in enumerate(COMMA_PATTERN.split(gettext(DEFAULT_CATEGORIES)))
    ]
    tx.execute(insert(categories), rows)


def _check_organization_limit(tx: Connection, actor: Actor) -> None:
    """Raise Conflict if the actor administers as many organizations as one person may create.

    A deleted one counts for another day, so that deleting organizations is no way around the limit.
    """
    if can(actor.viewer, Permission.ORGANIZATIONS):
        return
    acquire_advisory_lock(tx, f"organizations of {actor.person_id}")
    member, org = organization_members.c, organizations.c
    is_admin = (member.person == actor.person_id) & (member.role == "admin")
    counts = ~org.internal & or_(org.deleted_at.is_(None), org.deleted_at > actor.at - DAY)
    joined = organizations.join(organization_members, org.id == member.organization)
    query = select(func.count()).select_from(joined).where(is_admin, counts)
    if tx.execute(query).scalar_one() >= MAX_ADMINISTERED_ORGANIZATIONS:
        raise Conflict(
            gettext(
                "You are an admin of %(most)s organizations, including those deleted since "
                "yesterday. That’s the limit for one person. Ask the team to create another "
                "one.",
                most=MAX_ADMINISTERED_ORGANIZATIONS,
            )
        )
