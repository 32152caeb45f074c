"""Serve the mailed links that verify an email address or reset a password.

A GET changes nothing, because mail scanners open every link they see.
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
from deskwire.web.auth.form_pages import (
    SECRET_LINK_HEADERS,
    link_token,
    parse_fields,
    render_form_page,
    require_field,
)
from deskwire.web.auth.sign_in import AccountPages
from deskwire.web.http.forms import read_urlencoded_form
from deskwire.web.mail_templates import MailTemplates

NO_MAIL_DETAIL = N_(
    "This server doesn’t send email. An administrator can give you a link to choose a new password."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveryPages:
    """`/forgot-password`, `/reset/{token}` and `/verify/{token}`."""

    account_pages: AccountPages
    mail_templates: MailTemplates

    # /forgot-password

    async def forgot_password_form(self, request: Request) -> Response:
        """GET /forgot-password."""
        return self._forgot_password_page(request, {})

    async def request_reset(self, request: Request) -> Response:
        """POST /forgot-password (email).

        The response does not reveal whether the address has an account: it is the same, and as
        fast, because the link is made in the background.
        """
        form = await read_urlencoded_form(request)
        try:
            email = require_field(form, "email", gettext("Enter your email address."))
            if not self.mail_templates.is_enabled:
                raise Forbidden(gettext(NO_MAIL_DETAIL))
            person = await self._count_and_find(request, normalize_email(email))
        except Refusal as refusal:
            return self._forgot_password_page(request, form, refusal)
        task = BackgroundTask(self._send_reset, person, self.mail_templates.reset_mail(request))
        return RedirectResponse("/forgot-password?sent=1", 303, background=task)

    async def _count_and_find(self, request: Request, email: str) -> PersonId | None:
        pages = self.account_pages
        client_ip = pages.browsers.client_info(request).client_ip
        return await pages.db.write(
            mail_links.request_password_reset, email, client_ip, pages.clock(), pages.limits
        )

    async def _send_reset(self, person: PersonId | None, compose: ComposeLinkMail) -> None:
        if person is None:
            return
        try:
            await self.account_pages.db.write(
                mail_links.send_reset_link, person, compose, self.account_pages.clock()
            )
        except SQLAlchemyError:
            logger.exception("could not queue a password reset mail")

    # /reset/{token}

    async def reset_password_form(self, request: Request) -> Response:
        """GET /reset/{token}."""
        pages = self.account_pages
        try:
            person = await pages.db.read(
                authentication.find_person_by_reset_link, link_token(request), pages.clock()
            )
        except NotFound as refusal:
            return self._reset_password_page(request, None, refusal)
        return self._reset_password_page(request, person.email)

    async def reset_password(self, request: Request) -> Response:
        """POST /reset/{token} (password): set it, use the link up, and sign in."""
        form, token, email = await read_urlencoded_form(request), link_token(request), None
        pages = self.account_pages
        try:
            person = await pages.db.read(
                authentication.find_person_by_reset_link, token, pages.clock()
            )
            email = person.email
            fields = parse_fields(password=lambda: parse_password(form.get("password", ""), email))
            hash_ = await pages.hasher.hash(fields["password"])
            browser = pages.browsers.client_info(request)
            new_session = await pages.db.write(
                authentication.reset_password, token, hash_, browser, pages.clock()
            )
        except Refusal as refusal:
            return self._reset_password_page(request, email, refusal)
        response = RedirectResponse("/", 303, SECRET_LINK_HEADERS)
        return pages.browsers.set_cookie(response, new_session)

    # /verify/{token}

    async def verify_email_form(self, request: Request) -> Response:
        """GET /verify/{token}: a page with a button that confirms."""
        pages = self.account_pages
        try:
            person = await pages.db.read(
                mail_links.find_person_by_verification_link, link_token(request), pages.clock()
            )
        except NotFound as refusal:
            return self._verify_email_page(request, None, refusal)
        return self._verify_email_page(request, person.email)

    async def verify_email(self, request: Request) -> Response:
        """POST /verify/{token}: mark the address as verified, without signing in."""
        pages = self.account_pages
        try:
            await pages.db.write(mail_links.verify_email, link_token(request), pages.clock())
        except NotFound as refusal:
            return self._verify_email_page(request, None, refusal)
        return RedirectResponse("/settings?done=verified", 303, SECRET_LINK_HEADERS)

    # Shared by the pages

    def _forgot_password_page(
        self, request: Request, form: dict[str, str], refusal: Refusal | None = None
    ) -> Response:
        sent = refusal is None and "sent" in request.query_params
        extra = {
            "sent": sent,
            "no_mail": None if self.mail_templates.is_enabled else gettext(NO_MAIL_DETAIL),
        }
        return render_form_page(
            self.account_pages.render, request, "forgot_password.html", form, extra, refusal
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
        extra = {"email": email, "is_valid": not isinstance(refusal, NotFound)}
        page = render_form_page(self.account_pages.render, request, name, {}, extra, refusal)
        page.headers.update(SECRET_LINK_HEADERS)
        return page
