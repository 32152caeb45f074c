"""Reading and acting as whoever asks, with all they may see and do at that moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from deskwire.accounts import sessions
from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.web.dependencies import Site, person_of, visit_of
from deskwire.workspaces.actor import Deed

P = ParamSpec("P")
T = TypeVar("T")


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


async def go_on_in(site: Site, request: Request, organization: str) -> None:
    """Make an organization the active one of this session, whose person has come to it."""
    session = visit_of(request).session
    if session is not None and session.organization != organization:
        await site.db.write(sessions.choose, session.id, organization)
