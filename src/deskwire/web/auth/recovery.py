"""Links that came by mail: to prove an address, and to choose a password that was forgotten.

A GET changes nothing: mail scanners open every link they see.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.accounts import authentication, mail_links
from deskwire.accounts.mail_links import Compose
from deskwire.accounts.passwords import parse_password
from deskwire.accounts.people import normal_email
from deskwire.events.channels import PersonId
from deskwire.kit.errors import Forbidden, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.auth.mail_templates import Letters
from deskwire.web.auth.sign_in import (
    WELCOME_HEADERS,
    Login,
    form_page,
    parse_all,
    read_form,
    required,
    token_of,
)

NO_MAIL = N_("This desk sends no mail. Whoever runs it can give you a link to set a new password.")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """The pages behind the links, and the one that asks for one."""

    login: Login
    letters: Letters

    # /forgot-password

    async def forgot_form(self, request: Request) -> Response:
        """GET /forgot-password."""
        return self._forgot_page(request, {})

    async def forgot(self, request: Request) -> Response:
        """POST /forgot-password (email). The answer is the same whoever's address it is; the link
        is made after it, so that it also takes the same time.
        """
        form = await read_form(request)
        try:
            typed = parse_all(
                email=lambda: required(form, "email", gettext("Write your e-mail address."))
            )
            if not self.letters.works:
                raise Forbidden(gettext(NO_MAIL))
            person = await self._ask_for_reset(request, normal_email(typed["email"]))
        except Refusal as refusal:
            return self._forgot_page(request, form, refusal)
        task = BackgroundTask(self._send_reset, person, self.letters.reset(request))
        return RedirectResponse("/forgot-password?sent=1", 303, background=task)

    async def _ask_for_reset(self, request: Request, email: str) -> PersonId | None:
        login = self.login
        address = login.browsers.visit_of(request).address
        return await login.db.write(
            mail_links.ask_for_reset, email, address, login.clock(), login.limits
        )

    async def _send_reset(self, person: PersonId | None, compose: Compose) -> None:
        if person is None:
            return
        try:
            await self.login.db.write(mail_links.send_reset, person, compose, self.login.clock())
        except SQLAlchemyError:
            logger.exception("a link for a new password could not be queued")

    # /reset/{token}

    async def reset_form(self, request: Request) -> Response:
        """GET /reset/{token}."""
        login = self.login
        try:
            person = await login.db.read(
                authentication.find_resetting, token_of(request), login.clock()
            )
        except NotFound as refusal:
            return self._reset_page(request, None, refusal)
        return self._reset_page(request, person.email)

    async def reset(self, request: Request) -> Response:
        """POST /reset/{token} (password): sets it, uses the link up, signs in."""
        form, token, email, login = await read_form(request), token_of(request), None, self.login
        try:
            email = (await login.db.read(authentication.find_resetting, token, login.clock())).email
            typed = parse_all(password=lambda: parse_password(form.get("password", ""), email))
            hash_ = await login.hasher.hash(typed["password"])
            visit = login.browsers.visit_of(request)
            opened = await login.db.write(
                authentication.reset_password, token, hash_, visit, login.clock()
            )
        except Refusal as refusal:
            return self._reset_page(request, email, refusal)
        return login.browsers.enter(RedirectResponse("/", 303, WELCOME_HEADERS), opened)

    # /verify/{token}

    async def verify_form(self, request: Request) -> Response:
        """GET /verify/{token}: a button."""
        login = self.login
        try:
            person = await login.db.read(
                mail_links.find_verifying, token_of(request), login.clock()
            )
        except NotFound as refusal:
            return self._verify_page(request, None, refusal)
        return self._verify_page(request, person.email)

    async def verify(self, request: Request) -> Response:
        """POST /verify/{token}: the address is proven; nobody is signed in by it."""
        login = self.login
        try:
            await login.db.write(mail_links.verify, token_of(request), login.clock())
        except NotFound as refusal:
            return self._verify_page(request, None, refusal)
        return RedirectResponse("/settings?done=verified", 303, WELCOME_HEADERS)

    # What they share

    def _forgot_page(
        self, request: Request, form: dict[str, str], refusal: Refusal | None = None
    ) -> Response:
        sent = refusal is None and "sent" in request.query_params
        more = {"sent": sent, "no_mail": None if self.letters.works else gettext(NO_MAIL)}
        return form_page(self.login.render, request, "forgot_password.html", form, more, refusal)

    def _reset_page(
        self, request: Request, email: str | None, refusal: Refusal | None = None
    ) -> Response:
        return self._link_page(request, "reset.html", email, refusal)

    def _verify_page(
        self, request: Request, email: str | None, refusal: Refusal | None = None
    ) -> Response:
        return self._link_page(request, "verify.html", email, refusal)

    def _link_page(
        self, request: Request, name: str, email: str | None, refusal: Refusal | None
    ) -> Response:
        more = {"email": email, "usable": not isinstance(refusal, NotFound)}
        page = form_page(self.login.render, request, name, {}, more, refusal)
        page.headers.update(WELCOME_HEADERS)
        return page
