"""Record direct edits of organizations, their categories and members as events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, update

from deskwire.events import log
from deskwire.events.channels import STAFF_CHANNEL
from deskwire.events.types.organizations import OrganizationEvent
from deskwire.events.types.registry import (
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
    NamedRef,
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationRenamed,
    OrganizationUpdated,
    OrganizationVisibilityChanged,
)
from deskwire.kit.clock import Millis
from deskwire.kit.rows import fetch_first, fetch_one
from deskwire.workspaces.key_events import revoke_keys_of_workspace
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.categories import CategoryRow
from deskwire.workspaces.organizations.invitations import revoke_unauthorized
from deskwire.workspaces.organizations.members import record_organization_member_event
from deskwire.workspaces.organizations.organizations import (
    Organization,
    OrganizationMemberRow,
    OrganizationRow,
    organization_from_row,
    organizations,
    read_organizations_by_id,
)
from deskwire.workspaces.organizations.settings import (
    organization_event_fields,
    read_member_channels,
)
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit

# Columns that decide who sees what.
ACCESS_COLUMNS = ("deleted_at", "visibility", "generation", "internal")


def record_organization_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that an organization's row was inserted, changed or deleted."""
    before: OrganizationRow | None = edit.before
    after: OrganizationRow | None = edit.after
    if after is not None and before is not None and after.visibility != before.visibility:
        after = _raise_generation(tx, before, after)
    row: OrganizationRow = edit.before if after is None else after
    organization = organization_from_row(row)
    event_type = _event_type_of(before, after)
    fields = organization_event_fields(DIRECT_EDIT_ACTOR, organization)
    fields["revision"] += after is None
    event = event_type(**fields, **_extra_event_fields(event_type, before, organization))
    access_changes = []
    if after is None or edit.is_changed(*ACCESS_COLUMNS):
        member_channels = read_member_channels(tx, organization.id)
        access_changes = [organization.workspace, *member_channels]
    log.append(
        tx,
        event,
        channels=[organization.workspace, STAFF_CHANNEL],
        access_changes=access_changes,
        cause=edit.cause,
    )
    if after is None or after.deleted_at is not None:
        revoke_keys_of_workspace(tx, organization.workspace, DIRECT_EDIT_ACTOR, edit.at)
    if after is None:
        _mark_missing_deleted(tx, organization, edit.at)


def _mark_missing_deleted(tx: Connection, organization: Organization, at: Millis) -> None:
    """Write a row that says that an organization is deleted in place of the row that was removed.

    Without it, the staff would go on to see its requests.
    """
    values = {
        "id": organization.id,
        "slug": f"deleted-{organization.id}",
        "name": "",
        "internal": False,
        "created_at": organization.created_at,
        "deleted_at": at,
        "revision": organization.revision + 1,
    }
    tx.execute(insert(organizations).values(values))


def _raise_generation(
    tx: Connection, before: OrganizationRow, after: OrganizationRow
) -> OrganizationRow:
    """Raise the generation, so that events from before the change cannot be replayed."""
    generation = max(after.generation, before.generation + 1)
    statement = update(organizations).where(organizations.c.id == after.id)
    statement = statement.values(generation=generation, revision=organizations.c.revision + 1)
    return fetch_one(tx, statement.returning(*organizations.c), OrganizationRow)


def _event_type_of(
    before: OrganizationRow | None, after: OrganizationRow | None
) -> type[OrganizationEvent]:
    if after is None or after.deleted_at is not None:
        return OrganizationDeleted
    if before is None or before.deleted_at is not None:
        return OrganizationCreated
    if (after.name, after.slug) != (before.name, before.slug):
        return OrganizationRenamed
    if after.generation != before.generation:
        return OrganizationVisibilityChanged
    return OrganizationUpdated


def _extra_event_fields(
    event_type: type[OrganizationEvent],
    before: OrganizationRow | None,
    organization: Organization,
) -> dict[str, Any]:
    """Return the fields that only events of this type have."""
    if event_type is OrganizationRenamed and before is not None:
        return {"old_name": before.name, "old_slug": before.slug}
    return (
        {"visibility": organization.visibility}
        if event_type is OrganizationVisibilityChanged
        else {}
    )


def record_category_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a category was inserted, changed or deleted, as updates of its organizations."""
    rows: list[CategoryRow] = [row for row in (edit.before, edit.after) if row is not None]
    for id_ in sorted({row.organization for row in rows}):
        where = (organizations.c.id == id_) & organizations.c.deleted_at.is_(None)
        statement = update(organizations).where(where)
        statement = statement.values(revision=organizations.c.revision + 1)
        row = fetch_first(tx, statement.returning(*organizations.c), OrganizationRow)
        if row is None:
            continue  # the organization is deleted; that has its own event
        organization = organization_from_row(row)
        event = OrganizationUpdated(**organization_event_fields(DIRECT_EDIT_ACTOR, organization))
        log.append(tx, event, channels=[organization.workspace, STAFF_CHANNEL], cause=edit.cause)


def record_organization_member_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a member's row was inserted, changed or deleted.

    Invitations that the member may not make any more are revoked.
    """
    before: OrganizationMemberRow | None = edit.before
    after: OrganizationMemberRow | None = edit.after
    row: OrganizationMemberRow = edit.before if after is None else after
    organization = read_organizations_by_id(tx, [row.organization]).get(row.organization)
    if organization is None or organization.is_deleted:
        return  # the organization was deleted directly, too; that has its own event
    fields: dict[str, Any] = {
        "workspace": organization.workspace,
        "actor": DIRECT_EDIT_ACTOR,
        "member": read_names(tx, [row.person])[row.person],
        "place": NamedRef(id=organization.id, name=organization.name),
    }
    event: MemberRemoved | MemberJoined | MemberRoleChanged
    if after is None:
        event = MemberRemoved(**fields)
    elif before is None:
        event = MemberJoined(**fields, role=after.role, revision=after.revision)
    else:
        event = MemberRoleChanged(
            **fields, permissions=[], role=after.role, revision=after.revision
        )
    record_organization_member_event(tx, event, organization, row.person, edit.cause)
    if before is not None:
        revoke_unauthorized(tx, row.person, DIRECT_EDIT_ACTOR, edit.at)
