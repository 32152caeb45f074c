"""Record direct edits of the rows of people and members, and end the access that they take.

A person who can no longer sign in loses the same as after deactivation or deletion by an action:
their sessions, links, invitations they issued, and assigned requests. A person who is no longer a
member takes part in no request of the organization.
"""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy import Connection

from deskwire.accounts import links, people
from deskwire.accounts.people import Person
from deskwire.events.access import Viewer
from deskwire.tickets.actions.offboarding import end_participation, unassign_open_requests
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.keys.reminders import ask_for_replacement, find_audiences_left
from deskwire.workspaces.name_index import update_name_index
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations import direct_edits as organizations
from deskwire.workspaces.organizations.organizations import OrganizationMemberRow
from deskwire.workspaces.organizations.staff import revoke_sign_in
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit


def record_person_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a person's row was inserted, changed or deleted."""
    before, after = edit.before, edit.after
    id_ = (before if after is None else after).id
    if before is not None and after is not None and after.email != before.email:
        after = _invalidate_email_links(tx, edit)
    name = read_names(tx, [id_])[id_].name
    update_name_index(tx, id_, name)
    is_active, was_active = _can_sign_in(after), _can_sign_in(before)
    row = after if after is not None else before
    person = Person(id_, name, None, None, row.revision + (after is None), row.created_at)
    people.record_person_changed(
        tx,
        person,
        DIRECT_EDIT_ACTOR,
        edit.at,
        access_changed=is_active != was_active,
        cause=edit.cause,
    )
    if was_active and not is_active:
        revoke_sign_in(tx, id_, DIRECT_EDIT_ACTOR, edit.at)
        unassign_open_requests(tx, Actor(Viewer(DIRECT_EDIT_ACTOR, ()), edit.at), id_)
        ask_for_replacement(tx, id_, find_audiences_left(tx, id_), edit.at)


def _invalidate_email_links(tx: Connection, edit: DirectEdit) -> Any:  # noqa: ANN401 - a row
    """Revoke links mailed to the old address, and clear its verification; return the row."""
    links.revoke(tx, edit.after.id, get_args(links.Purpose))
    if edit.is_changed("email_verified_at"):
        return people.clear_undeliverable(tx, edit.after.id)
    return people.clear_email_verification(tx, edit.after.id)


def _can_sign_in(row: Any) -> bool:  # noqa: ANN401 - a row, or None
    return row is not None and row.deactivated_at is None and row.deleted_at is None


def record_member_edit(tx: Connection, edit: DirectEdit) -> None:
    """Record that a member's row was inserted, changed or deleted.

    A person without a role any more is removed from the requests of the organization.
    """
    organizations.record_organization_member_edit(tx, edit)
    before: OrganizationMemberRow | None = edit.before
    if before is not None:
        end_participation(tx, before.person)
    if before is not None and edit.after is None and _can_sign_in(people.find(tx, before.person)):
        audiences = find_audiences_left(tx, before.person, left=before.organization)
        ask_for_replacement(tx, before.person, audiences, edit.at)
