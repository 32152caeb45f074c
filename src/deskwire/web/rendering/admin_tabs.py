"""The administration: its pages as tabs, each for those of the team who may see it."""

from __future__ import annotations

from dataclasses import dataclass

from deskwire.events.access import Viewer
from deskwire.kit.i18n import N_
from deskwire.workspaces.organizations.permissions import Permission, can, is_staff


@dataclass(frozen=True, slots=True)
class AdminTab:
    """A page of the administration."""

    name: str
    label: str
    href: str
    permission: Permission | None  # None: all of the team


ADMIN_TABS = (
    AdminTab("requests", N_("Requests"), "/admin", None),
    AdminTab("people", N_("People"), "/admin/people", Permission.PEOPLE),
    AdminTab("organizations", N_("Organizations"), "/admin/organizations", None),
    AdminTab("deliveries", N_("Deliveries"), "/admin/deliveries", Permission.DELIVERIES),
)


def visible_tabs(viewer: Viewer) -> list[AdminTab]:
    """Those that the viewer may open; none for who is not of the team."""
    if not is_staff(viewer):
        return []
    return [tab for tab in ADMIN_TABS if tab.permission is None or can(viewer, tab.permission)]
