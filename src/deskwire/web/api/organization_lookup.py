"""Find the organization of an API call: the one it names, or the active one."""

from __future__ import annotations

from sqlalchemy import Connection

from deskwire.events.access import Viewer
from deskwire.kit.errors import NotFound
from deskwire.kit.i18n import gettext
from deskwire.kit.ids import is_id
from deskwire.web.context import choose_organization
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
    """Return the named organization, else the active one, else the first of the viewer's own.

    Raises NotFound if the viewer may not see the named one, NoOrganization if none is named and
    the viewer has none.
    """
    if organization_ref is not None:
        return read_organization_by_ref(tx, viewer, organization_ref)
    organization = choose_organization(list_own_client_organizations(tx, viewer), active_id)
    if organization is None:
        raise NoOrganization(
            gettext("You aren’t in an organization yet. Create one, or ask for an invitation.")
        )
    return organization


def read_organization_by_ref(tx: Connection, viewer: Viewer, organization_ref: str) -> Organization:
    """Return a client organization by its slug or id. Raises NotFound if it is not visible."""
    if SLUG_PATTERN.fullmatch(organization_ref) is None:  # may be text no database accepts
        raise NotFound(gettext("This organization doesn’t exist, or you don’t have access to it."))
    read = read_visible_by_id if is_id(organization_ref) else read_visible_by_slug
    organization = read(tx, viewer, organization_ref)
    if organization.internal:
        raise NotFound(gettext("This organization doesn’t exist, or you don’t have access to it."))
    return organization


def list_own_client_organizations(tx: Connection, viewer: Viewer) -> list[Organization]:
    """Return the client organizations that the viewer is a member of, by name."""
    return [each for each in list_own_organizations(tx, viewer) if not each.internal]


def require_requests_access(tx: Connection, viewer: Viewer) -> None:
    """Raise NoOrganization unless the viewer is staff or a member of an organization."""
    if not is_staff(viewer):
        read_named_or_active(tx, viewer, None, None)
