"""What somebody changed of a person by hand, told as any change of one; and what follows from it.

Who is not let in any more loses by it what an action takes from them: their browsers, the links and
invitations they gave out, and what they had taken on.
"""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy import Connection

from deskwire.accounts import links, people
from deskwire.accounts.people import Person
from deskwire.events.access import Viewer
from deskwire.tickets.actions.offboarding import unassign_open_requests
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.name_index import update_name_index
from deskwire.workspaces.names import read_names
from deskwire.workspaces.organizations.staff import revoke_sign_in
from deskwire.workspaces.origin import DIRECT_EDIT_ACTOR, DirectEdit


def record_person_edit(tx: Connection, edit: DirectEdit) -> None:
    """A person's row was written, changed or deleted."""
    before, now = edit.before, edit.after
    id_ = (before if now is None else now).id
    if before is not None and now is not None and now.email != before.email:
        now = _invalidate_email_links(tx, edit)
    called = read_names(tx, [id_])[id_].name
    update_name_index(tx, id_, called)
    is_in, was_in = _can_sign_in(now), _can_sign_in(before)
    row = now if now is not None else before
    person = Person(id_, called, None, None, row.revision + (now is None), row.created_at)
    people.record_person_changed(
        tx, person, DIRECT_EDIT_ACTOR, edit.at, access_changed=is_in != was_in, cause=edit.cause
    )
    if was_in and not is_in:
        revoke_sign_in(tx, id_, DIRECT_EDIT_ACTOR, edit.at)
        unassign_open_requests(tx, Actor(Viewer(DIRECT_EDIT_ACTOR, ()), edit.at), id_)


def _invalidate_email_links(tx: Connection, edit: DirectEdit) -> Any:  # noqa: ANN401 - a row
    """The row after that: what was mailed to the old address opens nothing, and proves nothing."""
    links.revoke(tx, edit.after.id, get_args(links.Purpose))
    return (
        edit.after
        if edit.is_changed("email_verified_at")
        else people.clear_email_verification(tx, edit.after.id)
    )


def _can_sign_in(row: Any) -> bool:  # noqa: ANN401 - a row, or None
    """Whether somebody can sign in as this person."""
    return row is not None and row.deactivated_at is None and row.deleted_at is None
