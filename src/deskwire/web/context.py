"""Reading and acting as whoever asks, with all they may see and do at that moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from deskwire.accounts import sessions
from deskwire.events.access import Viewer
from deskwire.kit.clock import now
from deskwire.web.dependencies import Dependencies, request_context, require_person
from deskwire.workspaces.actor import Actor

P = ParamSpec("P")
T = TypeVar("T")


async def read_as(
    deps: Dependencies,
    request: Request,
    query: Callable[Concatenate[Connection, Viewer, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[Viewer, T]:
    """Who asks, and what they are shown."""
    access, person = deps.access, require_person(request).id

    def run(tx: Connection) -> tuple[Viewer, T]:
        viewer = access.read_viewer(tx, person)
        return viewer, query(tx, viewer, *args, **kwargs)

    return await deps.db.read(run)


async def act_as(
    deps: Dependencies,
    request: Request,
    action: Callable[Concatenate[Connection, Actor, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Have who asks do something, with all they may do at this moment."""
    access, person = deps.access, require_person(request).id

    def run(tx: Connection) -> T:
        return action(tx, Actor(access.read_viewer(tx, person), now()), *args, **kwargs)

    return await deps.db.write(run)


async def set_active_organization(
    deps: Dependencies, request: Request, organization_id: str
) -> None:
    """Make an organization the active one of this session, whose person has come to it."""
    session = request_context(request).session
    if session is not None and session.organization != organization_id:
        await deps.db.write(sessions.store_active_organization, session.id, organization_id)
