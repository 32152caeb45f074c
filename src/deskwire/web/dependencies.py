"""What pages need of the running process, and who is looking at one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from starlette.requests import HTTPConnection, Request

from deskwire.events.access import Access
from deskwire.kit.clock import Millis
from deskwire.kit.db import Database
from deskwire.kit.errors import Unauthenticated
from deskwire.kit.i18n import gettext
from deskwire.realtime.hub import Hub
from deskwire.tickets.actions.update import REOPEN_DAYS
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.auth.mail_templates import Letters
from deskwire.web.auth.metrics_token import Operators
from deskwire.web.delivery_store import Deliveries


class Person(Protocol):
    """Somebody with an account."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def email_verified_at(self) -> Millis | None: ...
    @property
    def picture(self) -> str | None: ...
    @property
    def theme(self) -> str | None: ...
    @property
    def time_zone(self) -> str | None: ...


class Session(Protocol):
    """One browser that is signed in; its id is public."""

    @property
    def id(self) -> str: ...
    @property
    def organization(self) -> str | None:
        """The id of the active one; None: not chosen yet."""


NO_LETTERS = Letters("")  # no mail is sent
SignUp = Literal["open", "invited", "closed"]  # as `settings` has it; `app` hands it over
SignedIn = tuple[Person, Session, tuple[str, ...]]  # and who the person is elsewhere
Current = Callable[[HTTPConnection], Awaitable[SignedIn | None]]


@dataclass(frozen=True, slots=True)
class Site:
    """Everything pages may use. `hub` is a function, because it is there only once we run."""

    db: Database
    access: Access
    hub: Callable[[], Hub]
    current: Current
    operators: Operators
    uploads: Uploads
    deliveries: Deliveries
    public_url: str
    sign_up: SignUp
    debug: bool
    version: str
    letters: Letters = NO_LETTERS
    reopen_days: int = REOPEN_DAYS


@dataclass(frozen=True, slots=True)
class Visit:
    """One request to a page: who is there, and the cursor as it was before any row was read."""

    signed_in: SignedIn | None = None
    cursor: str | None = None

    @property
    def person(self) -> Person | None:
        return self.signed_in and self.signed_in[0]

    @property
    def session(self) -> Session | None:
        return self.signed_in and self.signed_in[1]

    @property
    def actors(self) -> tuple[str, ...]:
        """The names under which events know the person as the one who acted."""
        return (self.signed_in[0].id, *self.signed_in[2]) if self.signed_in else ()


def begin_visit(request: Request, signed_in: SignedIn | None, cursor: str | None) -> None:
    """Note on the request who is there; done once, before the page runs."""
    request.state.visit = Visit(signed_in, cursor)


def visit_of(request: Request) -> Visit:
    """Who is there; a stranger where nobody asked."""
    visit = getattr(request.state, "visit", None)
    return visit if isinstance(visit, Visit) else Visit()


def person_of(request: Request) -> Person:
    """Who is there, on pages that are only for people who are signed in."""
    person = visit_of(request).person
    if person is None:
        raise Unauthenticated(gettext("Sign in to see this page."))
    return person
