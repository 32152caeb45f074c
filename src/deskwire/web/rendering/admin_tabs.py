"""List the tabs of the administration, each with the permission it needs."""

from __future__ import annotations

from dataclasses import dataclass

from deskwire.events.access import Viewer
from deskwire.kit.i18n import N_
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff


@dataclass(frozen=True, slots=True)
class AdminTab:
    """A tab of the administration."""

    name: str
    label: str
    href: str
    permission: Permission | None  # None: all staff


ADMIN_TABS = (
    AdminTab("requests", N_("Requests"), "/admin", None),
    AdminTab("people", N_("People"), "/admin/people", Permission.PEOPLE),
    AdminTab("organizations", N_("Organizations"), "/admin/organizations", None),
    AdminTab("deliveries", N_("Deliveries"), "/admin/deliveries", Permission.DELIVERIES),
    AdminTab("dispatches", N_("Dispatches"), "/admin/dispatches", Permission.DISPATCHES),
    AdminTab("integrations", N_("Integrations"), "/admin/integrations", Permission.INTEGRATIONS),
    AdminTab("keys", N_("API keys"), "/admin/keys", Permission.DESK_KEYS),
)


def visible_tabs(viewer: Viewer) -> list[AdminTab]:
    """Return the tabs the viewer may open; none unless the viewer is staff."""
    if not is_staff(viewer):
        return []
    return [tab for tab in ADMIN_TABS if tab.permission is None or can(viewer, tab.permission)]
