"""Which organization a call means: the one it names, or the active one."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.web.pages.request_list import chosen_of
from deskwire.workspaces.organizations.organizations import (
    NoOrganization,
    Organization,
    read_own,
    read_visible,
    read_visible_by_id,
)
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.organizations.settings import SLUG


def read_place(
    tx: Connection, viewer: Viewer, named: str | None, active: str | None
) -> Organization:
    """The organization that is `named`, else the active one, else the first of the viewer's own.

    Raises NotFound where the named one is not the viewer's to see, NoOrganization where none is
    named and there is none.
    """
    if named is not None:
        return read_named(tx, viewer, named)
    found = chosen_of(own_of(tx, viewer), active)
    if found is None:
        raise NoOrganization(
            gettext("You are in no organization. Found one, or have somebody invite you.")
        )
    return found


def read_named(tx: Connection, viewer: Viewer, named: str) -> Organization:
    """A client's organization the viewer may see, by its slug or id; NotFound otherwise."""
    if SLUG.fullmatch(named) is None:  # also what no database takes
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    read = read_visible_by_id if is_id(named) else read_visible
    place = read(tx, viewer, named)
    if place.internal:
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    return place


def own_of(tx: Connection, viewer: Viewer) -> list[Organization]:
    """The clients' organizations the viewer is a member of, by name."""
    return [each for each in read_own(tx, viewer) if not each.internal]


def check_may_listen(tx: Connection, viewer: Viewer) -> None:
    """Raises NoOrganization for who has no requests to hear of; the team hears of all."""
    if not is_staff(viewer):
        read_place(tx, viewer, None, None)
