"""Which organization a call means: the one it names, or the active one."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.web.pages.request_list import choose_organization
from deskwire.workspaces.organizations.organizations import (
    NoOrganization,
    Organization,
    list_own_organizations,
    read_visible_by_id,
    read_visible_by_slug,
)
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.organizations.slugs import SLUG_PATTERN


def read_named_or_active(
    tx: Connection, viewer: Viewer, organization_ref: str | None, active_id: str | None
) -> Organization:
    """The organization that is `named`, else the active one, else the first of the viewer's own.

    Raises NotFound where the named one is not the viewer's to see, NoOrganization where none is
    named and there is none.
    """
    if organization_ref is not None:
        return read_organization_by_ref(tx, viewer, organization_ref)
    found = choose_organization(list_own_client_organizations(tx, viewer), active_id)
    if found is None:
        raise NoOrganization(
            gettext("You are in no organization. Found one, or have somebody invite you.")
        )
    return found


def read_organization_by_ref(tx: Connection, viewer: Viewer, organization_ref: str) -> Organization:
    """A client's organization the viewer may see, by its slug or id; NotFound otherwise."""
    if SLUG_PATTERN.fullmatch(organization_ref) is None:  # also what no database takes
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    read = read_visible_by_id if is_id(organization_ref) else read_visible_by_slug
    place = read(tx, viewer, organization_ref)
    if place.internal:
        raise NotFound(gettext("There is no such organization, or it is not shared with you."))
    return place


def list_own_client_organizations(tx: Connection, viewer: Viewer) -> list[Organization]:
    """The clients' organizations the viewer is a member of, by name."""
    return [each for each in list_own_organizations(tx, viewer) if not each.internal]


def require_requests_access(tx: Connection, viewer: Viewer) -> None:
    """Raises NoOrganization for who has no requests to hear of; the team hears of all."""
    if not is_staff(viewer):
        read_named_or_active(tx, viewer, None, None)
