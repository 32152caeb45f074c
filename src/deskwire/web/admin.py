"""The administration: its pages as tabs, each for those of the team who may see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.web.site import Site, person_of
from deskwire.workspaces.deeds import Deed
from deskwire.workspaces.rights import Right, is_staff, may

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the administration."""

    name: str
    label: str
    href: str
    right: Right | None  # None: all of the team


TABS = (
    Tab("requests", "Requests", "/admin", None),
    Tab("people", "People", "/admin/people", Right.PEOPLE),
    Tab("organizations", "Organizations", "/admin/organizations", None),
    Tab("deliveries", "Deliveries", "/admin/deliveries", Right.DELIVERIES),
)


def tabs_for(viewer: Viewer) -> list[Tab]:
    """Those that the viewer may open; none for who is not of the team."""
    if not is_staff(viewer):
        return []
    return [tab for tab in TABS if tab.right is None or may(viewer, tab.right)]


async def read_as(
    site: Site,
    request: Request,
    read: Callable[Concatenate[Connection, Viewer, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[Viewer, T]:
    """Who asks, and what they are shown."""
    access, person = site.access, person_of(request).id

    def run(tx: Connection) -> tuple[Viewer, T]:
        viewer = access.read_viewer(tx, person)
        return viewer, read(tx, viewer, *args, **kwargs)

    return await site.db.read(run)


async def act_as(
    site: Site,
    request: Request,
    act: Callable[Concatenate[Connection, Deed, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Have who asks do something, with all they may do at this moment."""
    access, person = site.access, person_of(request).id

    def run(tx: Connection) -> T:
        return act(tx, Deed(access.read_viewer(tx, person), now()), *args, **kwargs)

    return await site.db.write(run)
