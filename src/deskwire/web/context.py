"""Store who makes a request, and run queries and actions with their current permissions."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request

from deskwire.accounts import sessions
from deskwire.accounts.api_keys import ApiKey
from deskwire.accounts.people import Person
from deskwire.accounts.sessions import Session
from deskwire.events.access import Viewer
from deskwire.events.channels import SubjectId
from deskwire.kit.clock import now
from deskwire.kit.errors import Forbidden, Unauthenticated
from deskwire.kit.i18n import gettext
from deskwire.web.dependencies import Dependencies, SignedIn
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations.organizations import Organization
from deskwire.workspaces.organizations.permissions import is_staff
from deskwire.workspaces.origin import Principal

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Who makes a request, and the cursor of the log before any row was read for it.

    At most one of `signed_in` and `key` is set.
    """

    signed_in: SignedIn | None = None
    cursor: str | None = None
    key: ApiKey | None = None
    on_behalf_of: Principal | None = None  # with a key of the bot

    @property
    def subject(self) -> SubjectId | None:
        """Whose permissions apply: those of a person, a key, or the Discord user it acts for."""
        if self.on_behalf_of is not None:
            return self.on_behalf_of
        if self.key is not None:
            return self.key.subject
        return self.signed_in.person.id if self.signed_in is not None else None

    @property
    def sender(self) -> str | None:
        """Who repeats a call: the subject, and beside it the key that acts for it."""
        if self.on_behalf_of is not None and self.key is not None:
            return f"{self.key.subject} for {self.on_behalf_of}"
        return self.subject

    @property
    def person(self) -> Person | None:
        return self.signed_in.person if self.signed_in is not None else None

    @property
    def session(self) -> Session | None:
        return self.signed_in.session if self.signed_in is not None else None

    @property
    def principals(self) -> tuple[str, ...]:
        """The principals under which events name this person as the actor."""
        if self.signed_in is None:
            return ()
        return (self.signed_in.person.id, *self.signed_in.principals)


def set_request_context(
    request: Request,
    signed_in: SignedIn | None,
    cursor: str | None,
    key: ApiKey | None = None,
    on_behalf_of: Principal | None = None,
) -> None:
    """Store who makes the request; called once, before the page runs."""
    request.state.context = RequestContext(signed_in, cursor, key, on_behalf_of)


def request_context(request: Request) -> RequestContext:
    """Return the stored context; an empty one (signed out) where none was stored."""
    context = getattr(request.state, "context", None)
    return context if isinstance(context, RequestContext) else RequestContext()


def require_person(request: Request) -> Person:
    """Return the signed-in person. Raises Unauthenticated if no one is signed in."""
    person = request_context(request).person
    if person is None:
        raise Unauthenticated(gettext("Sign in to see this page."))
    return person


def require_subject(request: Request) -> SubjectId:
    """Return whose permissions apply. Raises Unauthenticated without a session and a key."""
    subject = request_context(request).subject
    if subject is None:
        raise Unauthenticated(gettext("Sign in to see this page."))
    return subject


async def read_as(
    deps: Dependencies,
    request: Request,
    query: Callable[Concatenate[Connection, Viewer, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> tuple[Viewer, T]:
    """Run a query as the person or API key that asks; return the viewer it ran as, and its result.

    The viewer is read in the same transaction, so a grant revoked before it is not used. Raises
    Unauthenticated if no one is signed in, and whatever `query` raises.
    """
    require_subject(request)

    def run(tx: Connection) -> tuple[Viewer, T]:
        viewer = _read_viewer(tx, deps, request_context(request))
        return viewer, query(tx, viewer, *args, **kwargs)

    return await deps.db.read(run)


async def act_as(
    deps: Dependencies,
    request: Request,
    action: Callable[Concatenate[Connection, Actor, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run an action as the person or API key that asks, with their permissions in its transaction.

    Raises Unauthenticated if no one is signed in, and whatever `action` raises.
    """
    require_subject(request)

    def run(tx: Connection) -> T:
        viewer = _read_viewer(tx, deps, request_context(request))
        return action(tx, Actor(viewer, now()), *args, **kwargs)

    return await deps.db.write(run)


def _read_viewer(tx: Connection, deps: Dependencies, context: RequestContext) -> Viewer:
    if context.on_behalf_of is not None:
        return deps.access.read_principal_viewer(tx, context.on_behalf_of)
    return deps.access.read_viewer(tx, context.subject or "")


def active_organization_id(request: Request) -> str | None:
    """Return the id of the session's active organization; None if it has not chosen one."""
    session = request_context(request).session
    return session.organization if session is not None else None


async def set_active_organization(
    deps: Dependencies, request: Request, organization_id: str
) -> None:
    """Make an organization the active one of this session; do nothing if it already is."""
    session = request_context(request).session
    if session is not None and session.organization != organization_id:
        await deps.db.write(sessions.store_active_organization, session.id, organization_id)


def choose_organization(
    organizations: Collection[Organization], id_or_slug: str | None
) -> Organization | None:
    """Pick the organization with this id or slug, else the first one; None if there are none."""
    matches = (each for each in organizations if id_or_slug in (each.id, each.slug))
    return next(matches, next(iter(organizations), None))


def require_staff(viewer: Viewer) -> None:
    """Raise Forbidden unless the viewer is a member of the staff."""
    if not is_staff(viewer):
        raise Forbidden(gettext("Only the team can see this page."))


def has_guilds(viewer: Viewer) -> bool:
    """Return whether the viewer may open a Discord server, or takes part in a ticket of one."""
    return any((grant.workspace or "").startswith("guild:") for grant in viewer.grants)
