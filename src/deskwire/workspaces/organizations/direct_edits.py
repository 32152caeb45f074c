"""What somebody changed by hand of an organization, its categories, its members, told in events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update

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
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.invitations import revoke_unauthorized
from deskwire.workspaces.organizations.members import record_organization_member_event
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_from_row,
    organizations,
    read_organizations_by_id,
)
from deskwire.workspaces.organizations.settings import (
    organization_event_fields,
    read_member_channels,
)
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit

ACCESS_COLUMNS = (
    "deleted_at",
    "visibility",
    "generation",
    "internal",
)  # columns that change who sees what


def record_organization_edit(tx: Connection, edit: DirectEdit) -> None:
    """An organization's row was written, changed or deleted."""
    before, now = edit.before, edit.after
    if now is not None and before is not None and now.visibility != before.visibility:
        now = _raise_generation(tx, edit)
    row = now if now is not None else before
    place = organization_from_row(row)
    kind = _event_type_of(before, now)
    told = organization_event_fields(DIRECT_EDIT_ACTOR, place) | {
        "revision": place.revision + (now is None)
    }
    event = kind(**told, **_extra_event_fields(kind, before, place))
    if kind is OrganizationDeleted:
        log.redact_workspace(tx, place.workspace)
    touches = []
    if now is None or edit.is_changed(*ACCESS_COLUMNS):
        touches = [place.workspace, *read_member_channels(tx, place.id)]
    log.append(
        tx,
        event,
        channels=[place.workspace, STAFF_CHANNEL],
        access_changes=touches,
        cause=edit.cause,
    )


def _raise_generation(tx: Connection, edit: DirectEdit) -> Any:  # noqa: ANN401 - a row
    """The row with another generation: what was told under the old mode is not replayed."""
    generation = max(edit.after.generation, edit.before.generation + 1)
    mine = update(organizations).where(organizations.c.id == edit.after.id)
    raised = mine.values(generation=generation, revision=organizations.c.revision + 1)
    return tx.execute(raised.returning(organizations)).one()


def _event_type_of(before: Any, after: Any) -> type[OrganizationEvent]:  # noqa: ANN401 - rows
    is_there = after is not None and after.deleted_at is None
    was_there = before is not None and before.deleted_at is None
    if not is_there:
        return OrganizationDeleted
    if not was_there:
        return OrganizationCreated
    if (after.name, after.slug) != (before.name, before.slug):
        return OrganizationRenamed
    if after.generation != before.generation:
        return OrganizationVisibilityChanged
    return OrganizationUpdated


def _extra_event_fields(
    event_type: type[OrganizationEvent],
    before: Any,  # noqa: ANN401 - a row, or what is remembered of it
    organization: Organization,
) -> dict[str, Any]:
    """What an event of this kind says beside what all say."""
    if event_type is OrganizationRenamed:
        return {"old_name": before.name, "old_slug": before.slug}
    return (
        {"visibility": organization.visibility}
        if event_type is OrganizationVisibilityChanged
        else {}
    )


def record_category_edit(tx: Connection, edit: DirectEdit) -> None:
    """A category was written, changed or deleted: its organization has another list."""
    rows = [each for each in (edit.before, edit.after) if each is not None]
    for id_ in sorted({row.organization for row in rows}):
        here = (organizations.c.id == id_) & organizations.c.deleted_at.is_(None)
        raised = update(organizations).where(here).values(revision=organizations.c.revision + 1)
        row = tx.execute(raised.returning(organizations)).one_or_none()
        if row is None:
            continue  # it was deleted, and that was told
        place = organization_from_row(row)
        event = OrganizationUpdated(**organization_event_fields(DIRECT_EDIT_ACTOR, place))
        log.append(tx, event, channels=[place.workspace, STAFF_CHANNEL], cause=edit.cause)


def record_organization_member_edit(tx: Connection, edit: DirectEdit) -> None:
    """Who belongs to an organization was written, changed or deleted."""
    before, now = edit.before, edit.after
    row = now if now is not None else before
    place = read_organizations_by_id(tx, [row.organization]).get(row.organization)
    if place is None:
        return  # it was deleted by hand, too, and that was told
    told: dict[str, Any] = {
        "workspace": place.workspace,
        "actor": DIRECT_EDIT_ACTOR,
        "member": read_names(tx, [row.person])[row.person],
        "place": NamedRef(id=place.id, name=place.name),
    }
    if now is None:
        record_organization_member_event(tx, MemberRemoved(**told), place, row.person, edit.cause)
        revoke_unauthorized(tx, row.person, DIRECT_EDIT_ACTOR, edit.at)
    elif before is None:
        joined = MemberJoined(**told, role=now.role, revision=now.revision)
        record_organization_member_event(tx, joined, place, row.person, edit.cause)
    else:
        changed = MemberRoleChanged(**told, permissions=[], role=now.role, revision=now.revision)
        record_organization_member_event(tx, changed, place, row.person, edit.cause)
        revoke_unauthorized(tx, row.person, DIRECT_EDIT_ACTOR, edit.at)
