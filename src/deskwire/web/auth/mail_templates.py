"""Letters: what is mailed, from `templates/mail`, and where its links lead.

sent   SMTP_URL is set
kept   it is not, in development: mail is shown at /mail to whoever sits at this machine
off    it is not, in production: nothing is queued, and pages say whom to ask instead
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
from deskwire.kit.i18n import N_, get_active, gettext
from deskwire.kit.mail import MailContent
from deskwire.web.auth.metrics_token import is_direct_loopback
from deskwire.web.rendering.i18n import install_translations
from deskwire.workspaces.organizations.invitations import ComposeInvitationMail as Inviting

MailMode = Literal["sent", "kept", "off"]
MAIL_TEMPLATE_DIRECTORY = Path(__file__).parents[1] / "templates" / "mail"


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
    """The letters of one site. `public_url`: where links lead; always set where mail is sent."""

    public_url: str
    mode: MailMode = "off"
    _templates: Environment = field(default_factory=_environment, repr=False)

    @property
    def is_enabled(self) -> bool:
        """Whether a link that is mailed reaches somebody."""
        return self.mode != "off"

    def verification_mail(self, request: Request) -> ComposeLinkMail:
        """The letter with which somebody proves their address."""
        return self._link_mail(request, "verify", N_("Confirm your e-mail address"))

    def reset_mail(self, request: Request) -> ComposeLinkMail:
        """The letter for who forgot a password."""
        return self._link_mail(request, "reset", N_("Choose a new password"))

    def invitation_mail(self, request: Request) -> Inviting:
        """The letter with which somebody is invited into an organization."""
        origin = self.link_origin(request)

        def compose(inviter: str, place: str, token: str) -> MailContent:
            told = {"inviter": inviter, "place": place, "link": f"{origin}/invitations/{token}"}
            return self.render_mail(
                "invitation", gettext("Invitation to %(place)s", place=place), **told
            )

        return compose

    def render_mail(self, template: str, subject: str, /, **values: str) -> MailContent:
        """A letter from its two templates, plain and HTML."""
        text, html = (
            self._templates.get_template(f"{template}.{kind}").render(subject=subject, **values)
            for kind in ("txt", "html")
        )
        return MailContent(subject, text, html)

    def link_origin(self, request: Request) -> str:
        """Where links lead. A request is believed about it only where no mail leaves the house:
        whoever writes another Host would have the link of somebody else sent to themselves.
        """
        if self.public_url or self.mode != "kept":
            return self.public_url
        return f"{request.url.scheme}://{request.url.netloc}"

    def require_local_mailbox(self, request: Request) -> None:
        """Raises what an unknown address answers, unless who sits at this machine asks for what
        is kept. It holds links with which one becomes somebody else.
        """
        host = request.client.host if request.client else ""
        if self.mode != "kept" or not is_direct_loopback(host, request.headers.keys()):
            raise HTTPException(404)

    def _link_mail(self, request: Request, name: str, subject: str) -> ComposeLinkMail:
        origin = self.link_origin(request)

        def compose(person: Person, token: str) -> MailContent:
            return self.render_mail(
                name, gettext(subject), name=person.name, link=f"{origin}/{name}/{token}"
            )

        return compose
