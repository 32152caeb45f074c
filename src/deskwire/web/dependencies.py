"""Declare what the pages and the API need from the running process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from starlette.requests import HTTPConnection, Request

from deskwire.accounts.people import Person
from deskwire.accounts.sessions import Session
from deskwire.events.access import Access
from deskwire.kit.db import Database
from deskwire.realtime.hub import Hub
from deskwire.tickets.field_changes import REOPEN_DAYS
from deskwire.tickets.files.uploads import Uploads
from deskwire.web.delivery_store import DeliveryStore
from deskwire.web.key_authentication import KeyAuthentication
from deskwire.web.mail_templates import MailTemplates
from deskwire.web.metrics_token import MetricsAccess
from deskwire.web.text_preparer import TextPreparer

NO_MAIL_TEMPLATES = MailTemplates("")  # of a desk that sends no mail
SignUpMode = Literal["open", "invited", "closed"]  # the values of the setting SIGN_UP


class SignedIn(NamedTuple):
    """The signed-in person, their session, and their principals at other systems."""

    person: Person
    session: Session
    principals: tuple[str, ...]  # such as `discord:ID`


FindSignedIn = Callable[[HTTPConnection], Awaitable[SignedIn | None]]


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything the pages and the API may use; `server.app` puts it together.

    `hub` is a function, because the hub only exists once the process is running.
    """

    db: Database
    access: Access
    hub: Callable[[], Hub]
    find_signed_in: FindSignedIn
    key_authentication: KeyAuthentication
    metrics_access: MetricsAccess
    uploads: Uploads
    deliveries: DeliveryStore
    public_url: str
    sign_up: SignUpMode
    debug: bool
    version: str
    mail_templates: MailTemplates = NO_MAIL_TEMPLATES
    reopen_days: int = REOPEN_DAYS
    texts: TextPreparer = field(default_factory=TextPreparer)

    def link_origin(self, request: Request) -> str:
        """Return the origin of a link that is shown to the person who makes this request.

        Without a public URL this believes the Host header. Use `MailTemplates.link_origin` for
        links that are mailed: a forged Host would send someone else's secret to the forger.
        """
        return self.public_url or f"{request.url.scheme}://{request.url.netloc}"
