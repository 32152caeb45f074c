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
from deskwire.accounts.mail_links import ComposeLinkMail
from deskwire.accounts.passwords import parse_password
from deskwire.accounts.people import normalize_email
from deskwire.events.channels import PersonId
from deskwire.kit.errors import Forbidden, NotFound, Refusal
from deskwire.kit.i18n import N_, gettext
from deskwire.web.auth.mail_templates import MailTemplates
from deskwire.web.auth.sign_in import (
    SECRET_LINK_HEADERS,
    AccountPages,
    link_token,
    parse_fields,
    read_urlencoded_form,
    render_form_page,
    require_field,
)

NO_MAIL_DETAIL = N_(
    "This desk sends no mail. Whoever runs it can give you a link to set a new password."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveryPages:
    """The pages behind the links, and the one that asks for one."""

    account_pages: AccountPages
    mail_templates: MailTemplates

    # /forgot-password

    async def forgot_password_form(self, request: Request) -> Response:
        """GET /forgot-password."""
        return self._forgot_password_page(request, {})

    async def request_reset(self, request: Request) -> Response:
        """POST /forgot-password (email). The answer is the same whoever's address it is; the link
        is made after it, so that it also takes the same time.
        """
        form = await read_urlencoded_form(request)
        try:
            typed = parse_fields(
                email=lambda: require_field(form, "email", gettext("Write your e-mail address."))
            )
            if not self.mail_templates.is_enabled:
                raise Forbidden(gettext(NO_MAIL_DETAIL))
            person = await self._count_and_find(request, normalize_email(typed["email"]))
        except Refusal as refusal:
            return self._forgot_password_page(request, form, refusal)
        task = BackgroundTask(self._send_reset, person, self.mail_templates.reset_mail(request))
        return RedirectResponse("/forgot-password?sent=1", 303, background=task)

    async def _count_and_find(self, request: Request, email: str) -> PersonId | None:
        login = self.account_pages
        address = login.browsers.client_info(request).client_ip
        return await login.db.write(
            mail_links.request_password_reset, email, address, login.clock(), login.limits
        )

    async def _send_reset(self, person: PersonId | None, compose: ComposeLinkMail) -> None:
        if person is None:
            return
        try:
            await self.account_pages.db.write(
                mail_links.send_reset_link, person, compose, self.account_pages.clock()
            )
        except SQLAlchemyError:
            logger.exception("a link for a new password could not be queued")

    # /reset/{token}

    async def reset_password_form(self, request: Request) -> Response:
        """GET /reset/{token}."""
        login = self.account_pages
        try:
            person = await login.db.read(
                authentication.find_person_by_reset_link, link_token(request), login.clock()
            )
        except NotFound as refusal:
            return self._reset_password_page(request, None, refusal)
        return self._reset_password_page(request, person.email)

    async def reset_password(self, request: Request) -> Response:
        """POST /reset/{token} (password): sets it, uses the link up, signs in."""
        form, token, email, login = (
            await read_urlencoded_form(request),
            link_token(request),
            None,
            self.account_pages,
        )
        try:
            email = (
                await login.db.read(authentication.find_person_by_reset_link, token, login.clock())
            ).email
            typed = parse_fields(password=lambda: parse_password(form.get("password", ""), email))
            hash_ = await login.hasher.hash(typed["password"])
            visit = login.browsers.client_info(request)
            opened = await login.db.write(
                authentication.reset_password, token, hash_, visit, login.clock()
            )
        except Refusal as refusal:
            return self._reset_password_page(request, email, refusal)
        return login.browsers.set_cookie(RedirectResponse("/", 303, SECRET_LINK_HEADERS), opened)

    # /verify/{token}

    async def verify_email_form(self, request: Request) -> Response:
        """GET /verify/{token}: a button."""
        login = self.account_pages
        try:
            person = await login.db.read(
                mail_links.find_person_by_verification_link, link_token(request), login.clock()
            )
        except NotFound as refusal:
            return self._verify_email_page(request, None, refusal)
        return self._verify_email_page(request, person.email)

    async def verify_email(self, request: Request) -> Response:
        """POST /verify/{token}: the address is proven; nobody is signed in by it."""
        login = self.account_pages
        try:
            await login.db.write(mail_links.verify_email, link_token(request), login.clock())
        except NotFound as refusal:
            return self._verify_email_page(request, None, refusal)
        return RedirectResponse("/settings?done=verified", 303, SECRET_LINK_HEADERS)

    # What they share

    def _forgot_password_page(
        self, request: Request, form: dict[str, str], refusal: Refusal | None = None
    ) -> Response:
        sent = refusal is None and "sent" in request.query_params
        more = {
            "sent": sent,
            "no_mail": None if self.mail_templates.is_enabled else gettext(NO_MAIL_DETAIL),
        }
        return render_form_page(
            self.account_pages.render, request, "forgot_password.html", form, more, refusal
        )

    def _reset_password_page(
        self, request: Request, email: str | None, refusal: Refusal | None = None
    ) -> Response:
        return self._link_page(request, "reset.html", email, refusal)

    def _verify_email_page(
        self, request: Request, email: str | None, refusal: Refusal | None = None
    ) -> Response:
        return self._link_page(request, "verify.html", email, refusal)

    def _link_page(
        self, request: Request, name: str, email: str | None, refusal: Refusal | None
    ) -> Response:
        more = {"email": email, "is_valid": not isinstance(refusal, NotFound)}
        page = render_form_page(self.account_pages.render, request, name, {}, more, refusal)
        page.headers.update(SECRET_LINK_HEADERS)
        return page
