"""Change the settings of an organization: profile and visibility; delete it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, update

from deskwire.events import channels, log
from deskwire.events.channels import STAFF_CHANNEL, Channel
from deskwire.events.types.registry import (
    OrganizationDeleted,
    OrganizationRenamed,
    OrganizationUpdated,
    OrganizationVisibilityChanged,
)
from deskwire.kit.db import acquire_advisory_lock
from deskwire.kit.errors import Forbidden, Invalid
from deskwire.kit.i18n import gettext
from deskwire.kit.rows import fetch_one
from deskwire.kit.text import is_blank, is_control_character
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.key_events import revoke_keys_of_workspace
from deskwire.workspaces.organizations.organizations import (
    VISIBILITIES,
    Organization,
    OrganizationRow,
    organization_from_row,
    organization_members,
    organizations,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import Permission, require
from deskwire.workspaces.organizations.slugs import (
    parse_slug,
    require_slug_available,
    slug_conflict_as_invalid,
)
from deskwire.workspaces.origin import Principal

MAX_NAME_LENGTH = 80  # characters; longer names break every list they appear in
MAX_ABOUT_LENGTH = 500  # characters; a short paragraph


def update_profile(
    tx: Connection,
    actor: Actor,
    organization_id: str,
    *,
    name: str | None = None,
    slug: str | None = None,
    about: str | None = None,
) -> Organization:
    """Change an organization's name, slug and description; None leaves a field unchanged.

    Raises Invalid if a value is refused or the slug is taken.
    """
    before = _lock_organization(tx, actor, organization_id, Permission.PROFILE)
    parsed_slug = before.slug if slug is None else parse_slug(slug)
    if parsed_slug != before.slug:
        require_slug_available(tx, parsed_slug)
    values = {
        "name": before.name if name is None else parse_organization_name(name),
        "slug": parsed_slug,
        "about": before.about if about is None else _parse_about(about),
    }
    if values == {"name": before.name, "slug": before.slug, "about": before.about}:
        return before
    with slug_conflict_as_invalid(parsed_slug):
        after = _update_organization(tx, organization_id, values)
    fields = organization_event_fields(actor.subject, after)
    event: OrganizationUpdated | OrganizationRenamed
    if (after.name, after.slug) == (before.name, before.slug):
        event = OrganizationUpdated(**fields)
    else:
        event = OrganizationRenamed(**fields, old_name=before.name, old_slug=before.slug)
    log.append(tx, event, channels=_event_channels(after))
    return after


def set_visibility(
    tx: Connection, actor: Actor, organization_id: str, visibility: str
) -> Organization:
    """Set who sees the organization's requests.

    Events from before the change cannot be replayed, by any cursor.
    """
    before = lock_client_organization(tx, actor, organization_id, Permission.PROFILE)
    if visibility not in VISIBILITIES:
        raise Invalid(
            gettext("Choose who can see requests."),
            {"visibility": gettext("Choose one of the two options.")},
        )
    if visibility == before.visibility:
        return before
    values = {"visibility": visibility, "generation": organizations.c.generation + 1}
    after = _update_organization(tx, organization_id, values)
    event = OrganizationVisibilityChanged(
        **organization_event_fields(actor.subject, after), visibility=visibility
    )
    access_changes = [after.workspace, *read_member_channels(tx, organization_id)]
    log.append(tx, event, channels=_event_channels(after), access_changes=access_changes)
    return after


def mark_organization_deleted(
    tx: Connection,
    actor: Actor,
    organization_id: str,
    typed_name: str,
    outsider_channels: Iterable[Channel],
) -> None:
    """Mark an organization deleted, confirmed by its typed name, and free its slug.

    `outsider_channels` are the channels of people who are not members, but lose access to single
    requests: `offboarding.delete_organization` finds them. Raises Invalid if the name differs.
    """
    before = lock_client_organization(tx, actor, organization_id, Permission.DELETE)
    if typed_name.strip() != before.name:
        sentence = gettext("Enter the name, %(before)s, to confirm.", before=before.name)
        raise Invalid(sentence, {"confirmed": sentence})
    values = {"deleted_at": actor.at, "slug": f"deleted-{organization_id}"}
    deleted = _update_organization(tx, organization_id, values)
    event = OrganizationDeleted(**organization_event_fields(actor.subject, deleted))
    member_channels = read_member_channels(tx, organization_id)
    access_changes = [deleted.workspace, *member_channels, *outsider_channels]
    log.append(tx, event, channels=_event_channels(deleted), access_changes=access_changes)
    revoke_keys_of_workspace(tx, deleted.workspace, actor.subject, actor.at)


def parse_organization_name(text: str) -> str:
    """Return a name on one line, 2 to 80 characters. Raises Invalid."""
    name = " ".join(text.split())
    fits = 2 <= len(name) <= MAX_NAME_LENGTH
    if not fits or is_blank(name) or any(map(is_control_character, name)):
        sentence = gettext(
            "Enter a name of 2 to %(most)s printable characters.",
            most=MAX_NAME_LENGTH,
        )
        raise Invalid(sentence, {"name": sentence})
    return name


def _parse_about(text: str) -> str | None:
    about = text.replace("\0", "").strip()
    if len(about) > MAX_ABOUT_LENGTH:
        sentence = gettext("Use at most %(most)s characters.", most=MAX_ABOUT_LENGTH)
        raise Invalid(sentence, {"about": sentence})
    return about or None


def lock_client_organization(
    tx: Connection, actor: Actor, organization_id: str, permission: Permission
) -> Organization:
    """Lock and return a client's organization. Raises Forbidden if the actor lacks the permission.

    The staff's own organization is refused: it has no requests, and deleting it would delete the
    staff.
    """
    organization = _lock_organization(tx, actor, organization_id, permission)
    if organization.internal:
        raise Forbidden(
            gettext("This is the team’s own organization. You can only change its profile.")
        )
    return organization


def _lock_organization(
    tx: Connection, actor: Actor, organization_id: str, permission: Permission
) -> Organization:
    # Locked before it is read: of two concurrent changes of different fields, one would be lost.
    acquire_advisory_lock(tx, f"organization {organization_id}")
    organization = read_visible_by_id(tx, actor.viewer, organization_id)
    require(actor.viewer, permission, organization.workspace)
    return organization


def _update_organization(
    tx: Connection, organization_id: str, values: dict[str, Any]
) -> Organization:
    statement = update(organizations).where(organizations.c.id == organization_id)
    statement = statement.values(**values, revision=organizations.c.revision + 1)
    row = fetch_one(tx, statement.returning(*organizations.c), OrganizationRow)
    return organization_from_row(row)


def record_organization_updated(tx: Connection, actor: Actor, organization: Organization) -> None:
    """Raise an organization's revision and record `organization.updated`."""
    after = _update_organization(tx, organization.id, {})
    event = OrganizationUpdated(**organization_event_fields(actor.subject, after))
    log.append(tx, event, channels=_event_channels(after))


def organization_event_fields(actor_id: Principal, organization: Organization) -> dict[str, Any]:
    """Return the fields that all events of an organization have."""
    return {
        "workspace": organization.workspace,
        "actor": actor_id,
        "organization": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "revision": organization.revision,
    }


def _event_channels(organization: Organization) -> list[Channel]:
    return [organization.workspace, STAFF_CHANNEL]


def read_member_channels(tx: Connection, organization_id: str) -> list[Channel]:
    """Return the own channels of all members."""
    member = organization_members.c
    query = select(member.person).where(member.organization == organization_id)
    return [channels.user(person_id) for person_id in tx.execute(query).scalars()]
