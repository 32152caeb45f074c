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
from deskwire.tickets.field_changes import REOPEN_DAYS
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.auth.mail_templates import MailTemplates
from deskwire.web.auth.metrics_token import MetricsAccess
from deskwire.web.delivery_store import DeliveryStore


class Account(Protocol):
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


NO_MAIL_TEMPLATES = MailTemplates("")  # no mail is sent
SignUpMode = Literal["open", "invited", "closed"]  # as `settings` has it; `app` hands it over
SignedIn = tuple[Account, Session, tuple[str, ...]]  # and who the person is elsewhere
FindSignedIn = Callable[[HTTPConnection], Awaitable[SignedIn | None]]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything pages may use. `hub` is a function, because it is there only once we run."""

    db: Database
    access: Access
    hub: Callable[[], Hub]
    find_signed_in: FindSignedIn
    metrics_access: MetricsAccess
    uploads: Uploads
    deliveries: DeliveryStore
    public_url: str
    sign_up: SignUpMode
    debug: bool
    version: str
    mail_templates: MailTemplates = NO_MAIL_TEMPLATES
    reopen_days: int = REOPEN_DAYS


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request to a page: who is there, and the cursor as it was before any row was read."""

    signed_in: SignedIn | None = None
    cursor: str | None = None

    @property
    def person(self) -> Account | None:
        return self.signed_in and self.signed_in[0]

    @property
    def session(self) -> Session | None:
        return self.signed_in and self.signed_in[1]

    @property
    def actors(self) -> tuple[str, ...]:
        """The names under which events know the person as the one who acted."""
        return (self.signed_in[0].id, *self.signed_in[2]) if self.signed_in else ()


def set_request_context(request: Request, signed_in: SignedIn | None, cursor: str | None) -> None:
    """Note on the request who is there; done once, before the page runs."""
    request.state.visit = RequestContext(signed_in, cursor)


def request_context(request: Request) -> RequestContext:
    """Who is there; a stranger where nobody asked."""
    visit = getattr(request.state, "visit", None)
    return visit if isinstance(visit, RequestContext) else RequestContext()


def require_person(request: Request) -> Account:
    """Who is there, on pages that are only for people who are signed in."""
    person = request_context(request).person
    if person is None:
        raise Unauthenticated(gettext("Sign in to see this page."))
    return person
