"""What somebody changed by hand of an organization, its categories, its members, told in events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, update

from deskwire.events import log
from deskwire.events.channels import STAFF
from deskwire.events.types.organizations import OrganizationEvent
from deskwire.events.types.registry import (
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
    Named,
    OrganizationCreated,
    OrganizationDeleted,
    OrganizationRenamed,
    OrganizationUpdated,
    OrganizationVisibilityChanged,
)
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.invitations import revoke_unbacked
from deskwire.workspaces.organizations.members import tell
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_of,
    organizations,
    read_some,
)
from deskwire.workspaces.organizations.settings import member_channels, told_of
from deskwire.workspaces.origin import BY_HAND, Edit

RIGHTS = ("deleted_at", "visibility", "generation", "internal")  # columns that change who sees what


def tell_of_organization(tx: Connection, edit: Edit) -> None:
    """An organization's row was written, changed or deleted."""
    before, now = edit.before, edit.now
    if now is not None and before is not None and now.visibility != before.visibility:
        now = _out_of_reach(tx, edit)
    row = now if now is not None else before
    place = organization_of(row)
    kind = _kind_of(before, now)
    told = told_of(BY_HAND, place) | {"revision": place.revision + (now is None)}
    event = kind(**told, **_more(kind, before, place))
    if kind is OrganizationDeleted:
        log.silence(tx, place.workspace)
    touches = []
    if now is None or edit.is_changed(*RIGHTS):
        touches = [place.workspace, *member_channels(tx, place.id)]
    log.append(tx, event, channels=[place.workspace, STAFF], touches=touches, cause=edit.cause)


def _out_of_reach(tx: Connection, edit: Edit) -> Any:  # noqa: ANN401 - a row
    """The row with another generation: what was told under the old mode is not replayed."""
    generation = max(edit.now.generation, edit.before.generation + 1)
    mine = update(organizations).where(organizations.c.id == edit.now.id)
    raised = mine.values(generation=generation, revision=organizations.c.revision + 1)
    return tx.execute(raised.returning(organizations)).one()


def _kind_of(before: Any, now: Any) -> type[OrganizationEvent]:  # noqa: ANN401 - rows
    is_there = now is not None and now.deleted_at is None
    was_there = before is not None and before.deleted_at is None
    if not is_there:
        return OrganizationDeleted
    if not was_there:
        return OrganizationCreated
    if (now.name, now.slug) != (before.name, before.slug):
        return OrganizationRenamed
    if now.generation != before.generation:
        return OrganizationVisibilityChanged
    return OrganizationUpdated


def _more(kind: type[OrganizationEvent], before: Any, place: Organization) -> dict[str, Any]:  # noqa: ANN401 - a row
    """What an event of this kind says beside what all say."""
    if kind is OrganizationRenamed:
        return {"old_name": before.name, "old_slug": before.slug}
    return {"visibility": place.visibility} if kind is OrganizationVisibilityChanged else {}


def tell_of_category(tx: Connection, edit: Edit) -> None:
    """A category was written, changed or deleted: its organization has another list."""
    rows = [each for each in (edit.before, edit.now) if each is not None]
    for id_ in sorted({row.organization for row in rows}):
        here = (organizations.c.id == id_) & organizations.c.deleted_at.is_(None)
        raised = update(organizations).where(here).values(revision=organizations.c.revision + 1)
        row = tx.execute(raised.returning(organizations)).one_or_none()
        if row is None:
            continue  # it was deleted, and that was told
        place = organization_of(row)
        event = OrganizationUpdated(**told_of(BY_HAND, place))
        log.append(tx, event, channels=[place.workspace, STAFF], cause=edit.cause)


def tell_of_member(tx: Connection, edit: Edit) -> None:
    """Who belongs to an organization was written, changed or deleted."""
    before, now = edit.before, edit.now
    row = now if now is not None else before
    place = read_some(tx, [row.organization]).get(row.organization)
    if place is None:
        return  # it was deleted by hand, too, and that was told
    told: dict[str, Any] = {
        "workspace": place.workspace,
        "actor": BY_HAND,
        "member": read_names(tx, [row.person])[row.person],
        "place": Named(id=place.id, name=place.name),
    }
    if now is None:
        tell(tx, MemberRemoved(**told), place, row.person, edit.cause)
        revoke_unbacked(tx, row.person, BY_HAND, edit.at)
    elif before is None:
        joined = MemberJoined(**told, role=now.role, revision=now.revision)
        tell(tx, joined, place, row.person, edit.cause)
    else:
        changed = MemberRoleChanged(**told, permissions=[], role=now.role, revision=now.revision)
        tell(tx, changed, place, row.person, edit.cause)
        revoke_unbacked(tx, row.person, BY_HAND, edit.at)
