"""Serve the account pages: sign-in, sign-up, sign-out, the welcome link, and a new password.

Forms are validated and rendered by `form_pages`; `next` in a form is where to go afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deskwire.accounts import authentication, rate_limit
from deskwire.accounts.authentication import SignInAttempt
from deskwire.accounts.passwords import Hasher, parse_password
from deskwire.accounts.people import normalize_email, parse_email, parse_name
from deskwire.accounts.rate_limit import RATE_LIMITS, RateLimits
from deskwire.accounts.sessions import NewSession
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database
from deskwire.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    Refusal,
    Unauthenticated,
)
from deskwire.kit.i18n import N_, gettext
from deskwire.web.auth.form_pages import (
    SECRET_LINK_HEADERS,
    link_token,
    parse_fields,
    render_form_page,
    require_field,
)
from deskwire.web.auth.sessions import BrowserSessions
from deskwire.web.dependencies import NO_MAIL_TEMPLATES, SignedIn, SignUpMode
from deskwire.web.http.forms import read_urlencoded_form
from deskwire.web.i18n import translate_labels
from deskwire.web.mail_templates import MailTemplates
from deskwire.web.rendering.render import Render
from deskwire.workspaces import name_changes

MAX_NEXT_LENGTH = 2000  # characters; browsers and proxies may cut longer URLs
WRONG_CREDENTIALS = N_("The email address or password is incorrect. Check both and try again.")
SIGN_UP_REFUSALS = {
    "invited": N_("Accounts are by invitation only. Ask an administrator to invite you."),
    "closed": N_("Sign-up is closed. If you need an account, ask an administrator."),
}


@dataclass(frozen=True, slots=True)
class AccountPages:
    """Sign-in, sign-up, sign-out, `/welcome/{token}` and `/settings/password`."""

    db: Database
    browsers: BrowserSessions
    hasher: Hasher
    render: Render
    sign_up_mode: SignUpMode = "invited"
    limits: RateLimits = RATE_LIMITS
    clock: Clock = now
    mail_templates: MailTemplates = NO_MAIL_TEMPLATES

    # /sign-in, /sign-out

    async def sign_in_form(self, request: Request) -> Response:
        """GET /sign-in; redirects to `next` if the browser is signed in already."""
        target = safe_redirect_path(request.query_params.get("next"))
        if await self.browsers.find_signed_in(request) is not None:
            return RedirectResponse(target, 303)
        return self._sign_in_page(request, {"next": target})

    async def sign_in(self, request: Request) -> Response:
        """POST /sign-in (email, password, next)."""
        form = await read_urlencoded_form(request)
        try:
            new_session = await self._sign_in(request, form)
        except Refusal as refusal:
            return self._sign_in_page(request, form, refusal)
        response = RedirectResponse(safe_redirect_path(form.get("next")), 303)
        return self.browsers.set_cookie(response, new_session)

    async def _sign_in(self, request: Request, form: Mapping[str, str]) -> NewSession:
        fields = parse_fields(
            email=lambda: require_field(form, "email", gettext("Enter your email address.")),
            password=lambda: require_field(form, "password", gettext("Enter your password.")),
        )
        browser, email = self.browsers.client_info(request), normalize_email(fields["email"])
        attempt = await self.db.write(
            authentication.begin_sign_in, email, browser.client_ip, self.clock(), self.limits
        )
        if not await self.verify_password(attempt, fields["password"]):
            raise Unauthenticated(gettext(WRONG_CREDENTIALS))
        new_hash = None
        if attempt.password_hash is not None and self.hasher.needs_rehash(attempt.password_hash):
            new_hash = await self.hasher.hash(fields["password"])
        new_session = await self.db.write(
            authentication.complete_sign_in, attempt, browser, self.clock(), new_hash
        )
        if new_session is None:
            raise Unauthenticated(gettext(WRONG_CREDENTIALS))
        return new_session

    async def sign_out(self, request: Request) -> Response:
        """POST /sign-out: end the session and its streams. Idempotent."""
        token = self.browsers.session_token(request)
        if token is not None:
            await self.db.write(authentication.sign_out, token, self.clock())
        return self.browsers.clear_cookie(RedirectResponse("/sign-in", 303))

    # /sign-up

    async def sign_up_form(self, request: Request) -> Response:
        """GET /sign-up: a form if sign-up is open, else a message saying who to ask."""
        target = safe_redirect_path(request.query_params.get("next"))
        if await self.browsers.find_signed_in(request) is not None:
            return RedirectResponse(target, 303)
        return self._sign_up_page(request, {"next": target})

    async def sign_up(self, request: Request) -> Response:
        """POST /sign-up (name, email, password, next); 403 unless sign-up is open."""
        form = await read_urlencoded_form(request)
        try:
            new_session = await self._sign_up(request, form)
        except Refusal as refusal:
            return self._sign_up_page(request, form, refusal)
        response = RedirectResponse(safe_redirect_path(form.get("next")), 303)
        return self.browsers.set_cookie(response, new_session)

    async def _sign_up(self, request: Request, form: Mapping[str, str]) -> NewSession:
        if self.sign_up_mode != "open":
            raise Forbidden(gettext(SIGN_UP_REFUSALS[self.sign_up_mode]))
        email = normalize_email(form.get("email", ""))
        fields = parse_fields(
            name=lambda: parse_name(form.get("name", "")),
            email=lambda: parse_email(email),
            password=lambda: parse_password(form.get("password", ""), email),
        )
        browser, at = self.browsers.client_info(request), self.clock()
        # Count failures too: they probe which addresses are taken.
        await self.db.write(rate_limit.count_sign_up, browser.client_ip, at, self.limits)
        # Hash before looking the address up, so that a taken one takes just as long.
        hash_ = await self.hasher.hash(fields["password"])
        mails = self.mail_templates
        compose = mails.verification_mail(request) if mails.is_enabled else None
        try:
            return await self.db.write(
                authentication.sign_up, fields["name"], fields["email"], hash_, browser, at, compose
            )
        except Conflict as refusal:
            # A successful sign-up signs in, so any response here reveals whether the address has
            # an account. Only accounts that begin with a mailed link could hide that, and not
            # every desk sends mail. So the page says it plainly, which helps people who forgot
            # their account, and the rate limit makes probing many addresses slow. In the modes
            # `invited` and `closed` there is nothing to probe.
            message = gettext("This address can’t be used. If it’s yours, sign in instead.")
            raise Conflict(message) from refusal

    # /welcome/{token}

    async def welcome_form(self, request: Request) -> Response:
        """GET /welcome/{token}; changes nothing, because mail scanners open links."""
        try:
            person = await self.db.read(
                authentication.find_person_by_activation_link, link_token(request), self.clock()
            )
        except NotFound as refusal:
            return self._welcome_page(request, {}, None, refusal)
        return self._welcome_page(request, {"name": person.name}, person.email)

    async def welcome(self, request: Request) -> Response:
        """POST /welcome/{token} (name, password): set both, use the link up, and sign in."""
        form, token, email = await read_urlencoded_form(request), link_token(request), None
        try:
            email = (
                await self.db.read(
                    authentication.find_person_by_activation_link, token, self.clock()
                )
            ).email
            fields = parse_fields(
                name=lambda: parse_name(form.get("name", "")),
                password=lambda: parse_password(form.get("password", ""), email),
            )
            hash_ = await self.hasher.hash(fields["password"])
            browser = self.browsers.client_info(request)
            new_session = await self.db.write(
                name_changes.activate_account, token, fields["name"], hash_, browser, self.clock()
            )
        except Refusal as refusal:
            return self._welcome_page(request, form, email, refusal)
        response = RedirectResponse("/", 303, SECRET_LINK_HEADERS)
        return self.browsers.set_cookie(response, new_session)

    # /settings/password

    async def change_password_form(self, request: Request) -> Response:
        """GET /settings/password."""
        signed_in = await self.browsers.find_signed_in(request)
        if signed_in is None:
            return _redirect_to_sign_in(request)
        return self._change_password_page(request, signed_in)

    async def change_password(self, request: Request) -> Response:
        """POST /settings/password (current, password); ends every other session."""
        signed_in = await self.browsers.find_signed_in(request)
        if signed_in is None:
            return _redirect_to_sign_in(request)
        form = await read_urlencoded_form(request)
        try:
            new_session = await self._change_password(request, signed_in, form)
        except Refusal as refusal:
            return self._change_password_page(request, signed_in, refusal)
        response = RedirectResponse("/settings/password?changed=1", 303)
        return self.browsers.set_cookie(response, new_session)

    async def _change_password(
        self, request: Request, signed_in: SignedIn, form: Mapping[str, str]
    ) -> NewSession:
        email = signed_in.person.email
        if email is None:
            raise Conflict(
                gettext("Your account has no email address, so it has no password to change.")
            )
        fields = parse_fields(
            current=lambda: require_field(form, "current", gettext("Enter your current password.")),
            password=lambda: parse_new_password(form, email),
        )
        browser = self.browsers.client_info(request)
        attempt = await self.db.write(
            authentication.begin_sign_in, email, browser.client_ip, self.clock(), self.limits
        )
        new_session = None
        if await self.verify_password(attempt, fields["current"]):
            hash_ = await self.hasher.hash(fields["password"])
            new_session = await self.db.write(
                authentication.change_password, attempt, hash_, browser, self.clock()
            )
        if new_session is None:
            message = gettext("That isn’t your current password.")
            raise Invalid(message, {"current": message})
        return new_session

    # Shared by the pages

    async def verify_password(self, attempt: SignInAttempt, password: str) -> bool:
        """Return whether the password is right; takes as long if there is no such account.

        Raises RateLimited if too many passwords are being checked; the attempt is not counted then.
        """
        try:
            return await self.hasher.verify(attempt.password_hash, password)
        except RateLimited:
            await self.db.write(rate_limit.discard_attempt, attempt.attempt_id)
            raise

    def _sign_in_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        extra = {
            "next": safe_redirect_path(form.get("next")),
            "sign_up_open": self.sign_up_mode == "open",
            "mail_works": self.mail_templates.is_enabled,
            # Signing out clears the cookie, so a cookie here is of a session ended elsewhere.
            "session_ended": refusal is None and self.browsers.session_token(request) is not None,
        }
        return render_form_page(self.render, request, "sign_in.html", form, extra, refusal)

    def _sign_up_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        extra = {
            "next": safe_redirect_path(form.get("next")),
            "closed_message": translate_labels(SIGN_UP_REFUSALS).get(self.sign_up_mode),
            "is_email_taken": isinstance(refusal, Conflict),
        }
        return render_form_page(self.render, request, "sign_up.html", form, extra, refusal)

    def _welcome_page(
        self,
        request: Request,
        form: Mapping[str, str],
        email: str | None,
        refusal: Refusal | None = None,
    ) -> Response:
        extra = {"email": email, "is_valid": not isinstance(refusal, NotFound)}
        page = render_form_page(self.render, request, "welcome.html", form, extra, refusal)
        page.headers.update(SECRET_LINK_HEADERS)
        return page

    def _change_password_page(
        self, request: Request, signed_in: SignedIn, refusal: Refusal | None = None
    ) -> Response:
        changed = refusal is None and "changed" in request.query_params
        extra = {"person": signed_in.person, "changed": changed}
        return render_form_page(self.render, request, "password.html", {}, extra, refusal)


def safe_redirect_path(text: str | None) -> str:
    """Return a path of this site to redirect to; `/` for anything that may lead elsewhere.

    Browsers read `//x` and `/\\x` as another host, and ignore tabs and line breaks in URLs.
    """
    if not text or len(text) > MAX_NEXT_LENGTH or not text.startswith("/") or "\\" in text:
        return "/"
    if text.startswith("//") or any(char <= " " or char == "\x7f" for char in text):
        return "/"
    return text


def parse_new_password(form: Mapping[str, str], email: str) -> str:
    """Return the new password. Raises Invalid if it equals the current one."""
    password = parse_password(form.get("password", ""), email)
    if form["password"] == form.get("current"):
        message = gettext("That’s your current password. Choose a different one.")
        raise Invalid(message, {"password": message})
    return password


def _redirect_to_sign_in(request: Request) -> Response:
    return RedirectResponse("/sign-in?" + urlencode({"next": request.url.path}), 303)
