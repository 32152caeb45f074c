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
from deskwire.tickets.actions.offboarding import give_back
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import read_names, rename
from deskwire.workspaces.organizations.staff import shut_out
from deskwire.workspaces.origin import BY_HAND, Edit


def tell_of_person(tx: Connection, edit: Edit) -> None:
    """A person's row was written, changed or deleted."""
    before, now = edit.before, edit.now
    id_ = (before if now is None else now).id
    if before is not None and now is not None and now.email != before.email:
        now = _other_address(tx, edit)
    called = read_names(tx, [id_])[id_].name
    rename(tx, id_, called)
    is_in, was_in = _is_in(now), _is_in(before)
    row = now if now is not None else before
    person = Person(id_, called, None, None, row.revision + (now is None), row.created_at)
    people.tell(tx, person, BY_HAND, edit.at, touches_access=is_in != was_in, cause=edit.cause)
    if was_in and not is_in:
        shut_out(tx, id_, BY_HAND, edit.at)
        give_back(tx, Deed(Viewer(BY_HAND, ()), edit.at), id_)


def _other_address(tx: Connection, edit: Edit) -> Any:  # noqa: ANN401 - a row
    """The row after that: what was mailed to the old address opens nothing, and proves nothing."""
    links.withdraw(tx, edit.now.id, get_args(links.Purpose))
    return edit.now if edit.is_changed("email_verified_at") else people.doubt(tx, edit.now.id)


def _is_in(row: Any) -> bool:  # noqa: ANN401 - a row, or None
    """Whether somebody can sign in as this person."""
    return row is not None and row.deactivated_at is None and row.deleted_at is None
