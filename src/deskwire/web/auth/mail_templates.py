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

from deskwire.accounts.mail_links import Compose
from deskwire.accounts.people import Person
from deskwire.kit.i18n import N_, gettext, spoken
from deskwire.kit.mail import Letter
from deskwire.web.auth.metrics_token import is_direct
from deskwire.web.rendering.i18n import translate
from deskwire.workspaces.organizations.invitations import Compose as Inviting

Mode = Literal["sent", "kept", "off"]
FOLDER = Path(__file__).parents[1] / "templates" / "mail"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["language"] = spoken().tag
    return translate(environment)


@dataclass(frozen=True, slots=True)
class Letters:
    """The letters of one site. `public_url`: where links lead; always set where mail is sent."""

    public_url: str
    mode: Mode = "off"
    _templates: Environment = field(default_factory=_environment, repr=False)

    @property
    def works(self) -> bool:
        """Whether a link that is mailed reaches somebody."""
        return self.mode != "off"

    def verification(self, request: Request) -> Compose:
        """The letter with which somebody proves their address."""
        return self._with_link(request, "verify", N_("Confirm your e-mail address"))

    def reset(self, request: Request) -> Compose:
        """The letter for who forgot a password."""
        return self._with_link(request, "reset", N_("Choose a new password"))

    def invitation(self, request: Request) -> Inviting:
        """The letter with which somebody is invited into an organization."""
        origin = self.origin(request)

        def compose(inviter: str, place: str, token: str) -> Letter:
            told = {"inviter": inviter, "place": place, "link": f"{origin}/invitations/{token}"}
            return self.write("invitation", gettext("Invitation to %(place)s", place=place), **told)

        return compose

    def write(self, template: str, subject: str, /, **values: str) -> Letter:
        """A letter from its two templates, plain and HTML."""
        text, html = (
            self._templates.get_template(f"{template}.{kind}").render(subject=subject, **values)
            for kind in ("txt", "html")
        )
        return Letter(subject, text, html)

    def origin(self, request: Request) -> str:
        """Where links lead. A request is believed about it only where no mail leaves the house:
        whoever writes another Host would have the link of somebody else sent to themselves.
        """
        if self.public_url or self.mode != "kept":
            return self.public_url
        return f"{request.url.scheme}://{request.url.netloc}"

    def check_shown_to(self, request: Request) -> None:
        """Raises what an unknown address answers, unless who sits at this machine asks for what
        is kept. It holds links with which one becomes somebody else.
        """
        host = request.client.host if request.client else ""
        if self.mode != "kept" or not is_direct(host, request.headers.keys()):
            raise HTTPException(404)

    def _with_link(self, request: Request, name: str, subject: str) -> Compose:
        origin = self.origin(request)

        def compose(person: Person, token: str) -> Letter:
            return self.write(
                name, gettext(subject), name=person.name, link=f"{origin}/{name}/{token}"
            )

        return compose
