"""Compose mail from `templates/mail`, and decide where its links lead.

sent   SMTP_URL is set
kept   SMTP_URL is not set, in development: /mail shows the mail to a browser on this machine
off    SMTP_URL is not set, in production: no mail is queued, and pages say who to ask instead
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException
from starlette.requests import Request

from deskwire.accounts.mail_links import ComposeLinkMail
from deskwire.accounts.people import Person
from deskwire.dispatches.mail import MailContent
from deskwire.kit.i18n import N_, get_active, gettext
from deskwire.web.i18n import install_translations
from deskwire.web.local_requests import LOCAL_REQUESTS, LocalRequests
from deskwire.workspaces.organizations.invitations import ComposeInvitationMail

MailMode = Literal["sent", "kept", "off"]
MAIL_TEMPLATE_DIRECTORY = Path(__file__).parent / "templates" / "mail"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(MAIL_TEMPLATE_DIRECTORY),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["language"] = get_active().language_tag
    return install_translations(environment)


@dataclass(frozen=True, slots=True)
class MailTemplates:
    """The mail of one desk."""

    public_url: str  # where links lead; always set if mail is sent
    mode: MailMode = "off"
    local_requests: LocalRequests = LOCAL_REQUESTS
    _templates: Environment = field(default_factory=_environment, repr=False)

    @property
    def is_enabled(self) -> bool:
        """Whether a mailed link reaches its reader."""
        return self.mode != "off"

    def verification_mail(self, request: Request) -> ComposeLinkMail:
        """Return a function that composes the mail which verifies an email address."""
        return self._link_mail(request, "verify", N_("Confirm your email address"))

    def reset_mail(self, request: Request) -> ComposeLinkMail:
        """Return a function that composes the mail which resets a password."""
        return self._link_mail(request, "reset", N_("Choose a new password"))

    def invitation_mail(self, request: Request) -> ComposeInvitationMail:
        """Return a function that composes an invitation to an organization."""
        origin = self.link_origin(request)

        def compose(inviter: str, organization: str, token: str) -> MailContent:
            subject = gettext("Invitation to %(place)s", place=organization)
            link = f"{origin}/invitations/{token}"
            return self.render_mail(
                "invitation", subject, inviter=inviter, place=organization, link=link
            )

        return compose

    def render_mail(self, template: str, subject: str, /, **values: str) -> MailContent:
        """Render the text and the HTML template of a mail."""
        text, html = (
            self._templates.get_template(f"{template}.{kind}").render(subject=subject, **values)
            for kind in ("txt", "html")
        )
        return MailContent(subject, text, html)

    def link_origin(self, request: Request) -> str:
        """Return the origin of mailed links.

        The Host header is believed only if no mail is sent, and only if it is a name of this
        machine: with a forged one, the secret link of another person would lead to the attacker's
        server. Otherwise links lead to the address at which the request arrived.
        """
        if self.public_url or self.mode != "kept":
            return self.public_url
        if self.local_requests.has_local_name(request):
            return f"{request.url.scheme}://{request.url.netloc}"
        host, port = request.scope["server"]  # the socket's own address
        return f"{request.url.scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def require_local_mailbox(self, request: Request) -> None:
        """Raise 404, like an unknown URL, unless a browser on this machine opens the mailbox.

        The mails hold links that sign in as other people.
        """
        if self.mode != "kept" or not self.local_requests.contains(request):
            raise HTTPException(404)

    def _link_mail(self, request: Request, name: str, subject: str) -> ComposeLinkMail:
        origin = self.link_origin(request)

        def compose(person: Person, token: str) -> MailContent:
            return self.render_mail(
                name, gettext(subject), name=person.name, link=f"{origin}/{name}/{token}"
            )

        return compose
