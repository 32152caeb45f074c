"""The administration: its pages as tabs, each for those of the team who may see it."""

from __future__ import annotations

from dataclasses import dataclass

from deskwire.events.access import Viewer
from deskwire.kit.i18n import N_
from deskwire.workspaces.organizations.permissions import Right, is_staff, may


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the administration."""

    name: str
    label: str
    href: str
    right: Right | None  # None: all of the team


TABS = (
    Tab("requests", N_("Requests"), "/admin", None),
    Tab("people", N_("People"), "/admin/people", Right.PEOPLE),
    Tab("organizations", N_("Organizations"), "/admin/organizations", None),
    Tab("deliveries", N_("Deliveries"), "/admin/deliveries", Right.DELIVERIES),
)


def tabs_for(viewer: Viewer) -> list[Tab]:
    """Those that the viewer may open; none for who is not of the team."""
    if not is_staff(viewer):
        return []
    return [tab for tab in TABS if tab.right is None or may(viewer, tab.right)]
