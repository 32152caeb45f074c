"""The door for people: signing in, up and out, the welcome link, the password.

Every page works without JavaScript. A refused form is shown again with what was typed, except
passwords. Templates get: `values` (what was typed), `errors` (field → sentence), `alert` (a
sentence about the whole, or None), `next` (where to go after).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from deskwire.web.auth.mail_templates import MailTemplates
from deskwire.web.auth.sessions import BrowserSessions, SignedIn
from deskwire.web.dependencies import NO_MAIL_TEMPLATES, SignUpMode
from deskwire.web.http.errors import status_of
from deskwire.web.rendering.i18n import translate_labels
from deskwire.web.rendering.render import Render
from deskwire.workspaces import name_changes

FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"  # what a form without files is sent as
MAX_FORM_FIELDS = 20  # of a form; the largest of ours has five
MAX_NEXT_LENGTH = 2000  # longer URLs are cut somewhere on the way
WRONG_CREDENTIALS = N_(
    "That e-mail address and password do not belong together. Check both and try again."
)
SIGN_UP_REFUSALS = {
    "invited": N_("Accounts here are by invitation. Ask whoever runs this desk to invite you."),
    "closed": N_("This desk takes no new accounts. Ask whoever runs it if you think you need one."),
}

# The link's secret is in the page's path, so no Referer may carry it. `no-referrer` would do that
# too, but makes browsers post the page's own form with `Origin: null` (Fetch, "append a request
# Origin header"), which the guard rightly refuses. `strict-origin` names the site and no path.
SECRET_LINK_HEADERS = {"referrer-policy": "strict-origin"}


@dataclass(frozen=True, slots=True)
class AccountPages:
    """The pages of the door. `db` holds accounts, `browsers` the cookie, `render` makes pages."""

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
        """GET /sign-in. Who is signed in already goes on."""
        target = safe_redirect_path(request.query_params.get("next"))
        if await self.browsers.find_signed_in(request) is not None:
            return RedirectResponse(target, 303)
        return self._sign_in_page(request, {"next": target})

    async def sign_in(self, request: Request) -> Response:
        """POST /sign-in (email, password, next)."""
        form = await read_urlencoded_form(request)
        try:
            opened = await self._sign_in(request, form)
        except Refusal as refusal:
            return self._sign_in_page(request, form, refusal)
        return self.browsers.set_cookie(
            RedirectResponse(safe_redirect_path(form.get("next")), 303), opened
        )

    async def _sign_in(self, request: Request, form: Mapping[str, str]) -> NewSession:
        typed = parse_fields(
            email=lambda: require_field(form, "email", gettext("Write your e-mail address.")),
            password=lambda: require_field(form, "password", gettext("Write your password.")),
        )
        visit, email = self.browsers.client_info(request), normalize_email(typed["email"])
        knock = await self.db.write(
            authentication.begin_sign_in, email, visit.client_ip, self.clock(), self.limits
        )
        if not await self.verify_password(knock, typed["password"]):
            raise Unauthenticated(gettext(WRONG_CREDENTIALS))
        better = None
        if knock.password_hash is not None and self.hasher.needs_rehash(knock.password_hash):
            better = await self.hasher.hash(typed["password"])
        opened = await self.db.write(
            authentication.complete_sign_in, knock, visit, self.clock(), better
        )
        if opened is None:
            raise Unauthenticated(gettext(WRONG_CREDENTIALS))
        return opened

    async def sign_out(self, request: Request) -> Response:
        """POST /sign-out. The session and its streams end; again is harmless."""
        token = self.browsers.session_token(request)
        if token is not None:
            await self.db.write(authentication.sign_out, token, self.clock())
        return self.browsers.clear_cookie(RedirectResponse("/sign-in", 303))

    # /sign-up

    async def sign_up_form(self, request: Request) -> Response:
        """GET /sign-up: a form where sign-up is open, else a sentence whom to ask."""
        target = safe_redirect_path(request.query_params.get("next"))
        if await self.browsers.find_signed_in(request) is not None:
            return RedirectResponse(target, 303)
        return self._sign_up_page(request, {"next": target})

    async def sign_up(self, request: Request) -> Response:
        """POST /sign-up (name, email, password, next); 403 where sign-up is not open."""
        form = await read_urlencoded_form(request)
        try:
            opened = await self._sign_up(request, form)
        except Refusal as refusal:
            return self._sign_up_page(request, form, refusal)
        return self.browsers.set_cookie(
            RedirectResponse(safe_redirect_path(form.get("next")), 303), opened
        )

    async def _sign_up(self, request: Request, form: Mapping[str, str]) -> NewSession:
        if self.sign_up_mode != "open":
            raise Forbidden(gettext(SIGN_UP_REFUSALS[self.sign_up_mode]))
        email = normalize_email(form.get("email", ""))
        typed = parse_fields(
            name=lambda: parse_name(form.get("name", "")),
            email=lambda: parse_email(email),
            password=lambda: parse_password(form.get("password", ""), email),
        )
        visit, at = self.browsers.client_info(request), self.clock()
        # Counted whatever comes of it: neither many accounts nor many questions from one source.
        await self.db.write(rate_limit.count_sign_up, visit.client_ip, at, self.limits)
        # Hashed before the address is looked up, so that a taken one takes as long.
        hash_ = await self.hasher.hash(typed["password"])
        try:
            compose = (
                self.mail_templates.verification_mail(request)
                if self.mail_templates.is_enabled
                else None
            )
            return await self.db.write(
                authentication.sign_up, typed["name"], typed["email"], hash_, visit, at, compose
            )
        except Conflict as refusal:
            # Signing up signs in, so whatever is answered here, a stranger can tell a taken
            # address from a free one; only an account that begins with an e-mail could hide it,
            # and not every desk sends mail. So we say it plainly, which helps the person who
            # forgot, and the throttle makes asking for many addresses slow. In the modes
            # `invited` and `closed` nothing can be asked.
            sentence = gettext("This address cannot be used. If it is yours, sign in instead.")
            raise Conflict(sentence) from refusal

    # /welcome/{token}

    async def welcome_form(self, request: Request) -> Response:
        """GET /welcome/{token}: changes nothing, or a mail scanner would use the link up."""
        try:
            person = await self.db.read(
                authentication.find_person_by_activation_link, link_token(request), self.clock()
            )
        except NotFound as refusal:
            return self._welcome_page(request, {}, None, refusal)
        return self._welcome_page(request, {"name": person.name}, person.email)

    async def welcome(self, request: Request) -> Response:
        """POST /welcome/{token} (name, password): sets both, uses the link up, signs in."""
        form, token, email = await read_urlencoded_form(request), link_token(request), None
        try:
            email = (
                await self.db.read(
                    authentication.find_person_by_activation_link, token, self.clock()
                )
            ).email
            typed = parse_fields(
                name=lambda: parse_name(form.get("name", "")),
                password=lambda: parse_password(form.get("password", ""), email),
            )
            hash_ = await self.hasher.hash(typed["password"])
            visit = self.browsers.client_info(request)
            opened = await self.db.write(
                name_changes.activate_account, token, typed["name"], hash_, visit, self.clock()
            )
        except Refusal as refusal:
            return self._welcome_page(request, form, email, refusal)
        return self.browsers.set_cookie(RedirectResponse("/", 303, SECRET_LINK_HEADERS), opened)

    # /settings/password

    async def change_password_form(self, request: Request) -> Response:
        """GET /settings/password."""
        signed_in = await self.browsers.find_signed_in(request)
        if signed_in is None:
            return _redirect_to_sign_in(request)
        return self._change_password_page(request, signed_in)

    async def change_password(self, request: Request) -> Response:
        """POST /settings/password (current, password): every other session ends."""
        signed_in = await self.browsers.find_signed_in(request)
        if signed_in is None:
            return _redirect_to_sign_in(request)
        try:
            opened = await self._change_password(
                request, signed_in, await read_urlencoded_form(request)
            )
        except Refusal as refusal:
            return self._change_password_page(request, signed_in, refusal)
        return self.browsers.set_cookie(
            RedirectResponse("/settings/password?changed=1", 303), opened
        )

    async def _change_password(
        self, request: Request, signed_in: SignedIn, form: Mapping[str, str]
    ) -> NewSession:
        email = signed_in.person.email
        if email is None:
            raise Conflict(
                gettext("Your account has no e-mail address, so it has no password to change.")
            )
        typed = parse_fields(
            current=lambda: require_field(form, "current", gettext("Write your current password.")),
            password=lambda: parse_new_password(form, email),
        )
        visit = self.browsers.client_info(request)
        knock = await self.db.write(
            authentication.begin_sign_in, email, visit.client_ip, self.clock(), self.limits
        )
        opened = None
        if await self.verify_password(knock, typed["current"]):
            hash_ = await self.hasher.hash(typed["password"])
            opened = await self.db.write(
                authentication.change_password, knock, hash_, visit, self.clock()
            )
        if opened is None:
            sentence = gettext("This is not your current password.")
            raise Invalid(sentence, {"current": sentence})
        return opened

    # What they share

    async def verify_password(self, attempt: SignInAttempt, password: str) -> bool:
        """Whether the password is that of who knocked; takes as long where nobody did."""
        try:
            return await self.hasher.verify(attempt.password_hash, password)
        except RateLimited:
            await self.db.write(rate_limit.discard_attempt, attempt.attempt_id)
            raise

    def _sign_in_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        more = {
            "next": safe_redirect_path(form.get("next")),
            "sign_up_open": self.sign_up_mode == "open",
            "mail_works": self.mail_templates.is_enabled,
            # Who signed out here has no cookie; one that opens nothing was ended elsewhere.
            "session_ended": refusal is None and self.browsers.session_token(request) is not None,
        }
        return self._page(request, "sign_in.html", form, more, refusal)

    def _sign_up_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        more = {
            "next": safe_redirect_path(form.get("next")),
            "closed_message": translate_labels(SIGN_UP_REFUSALS).get(self.sign_up_mode),
            "is_email_taken": isinstance(refusal, Conflict),
        }
        return self._page(request, "sign_up.html", form, more, refusal)

    def _welcome_page(
        self,
        request: Request,
        form: Mapping[str, str],
        email: str | None,
        refusal: Refusal | None = None,
    ) -> Response:
        more = {"email": email, "is_valid": not isinstance(refusal, NotFound)}
        page = self._page(request, "welcome.html", form, more, refusal)
        page.headers.update(SECRET_LINK_HEADERS)
        return page

    def _change_password_page(
        self, request: Request, signed_in: SignedIn, refusal: Refusal | None = None
    ) -> Response:
        changed = refusal is None and "changed" in request.query_params
        more = {"person": signed_in.person, "changed": changed}
        return self._page(request, "password.html", {}, more, refusal)

    def _page(
        self,
        request: Request,
        name: str,
        form: Mapping[str, str],
        extra: Mapping[str, object],
        refusal: Refusal | None,
    ) -> Response:
        return render_form_page(self.render, request, name, form, extra, refusal)


def render_form_page(
    render: Render,
    request: Request,
    name: str,
    form: Mapping[str, str],
    extra: Mapping[str, object],
    refusal: Refusal | None,
) -> Response:
    """A page with a form; where it was refused, with what was typed and what is wrong."""
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    alert = str(refusal) if refusal is not None and not errors else None
    typed = {field: form.get(field, "") for field in ("name", "email")}
    context = {"values": typed, "errors": errors, "alert": alert, **extra}
    status = 200 if refusal is None else status_of(refusal)
    page = render(request, name, context, status=status)
    if isinstance(refusal, RateLimited):
        page.headers["retry-after"] = str(refusal.retry_after)
    return page


def safe_redirect_path(text: str | None) -> str:
    """A path of this site to go on to; `/` for anything that may lead elsewhere.

    Browsers read `//x` and `/\\x` as another host, and drop tabs and line ends while reading.
    """
    if not text or len(text) > MAX_NEXT_LENGTH or not text.startswith("/") or "\\" in text:
        return "/"
    if text.startswith("//") or any(sign <= " " or sign == "\x7f" for sign in text):
        return "/"
    return text


async def read_urlencoded_form(request: Request) -> dict[str, str]:
    """The fields of a posted form; none of what our own pages would not send."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_MEDIA_TYPE:  # a multipart form may name a charset that breaks its own parser
        return {}
    async with request.form(max_fields=MAX_FORM_FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def parse_fields(**parsers: Callable[[], str]) -> dict[str, str]:
    """What each field's parser gives; Invalid with every field's sentence if any refuses."""
    values: dict[str, str] = {}
    problems: dict[str, str] = {}
    for field, parse in parsers.items():
        try:
            values[field] = parse()
        except Invalid as refusal:
            problems[field] = str(refusal)
    if problems:
        raise Invalid(" ".join(problems.values()), problems)
    return values


def require_field(form: Mapping[str, str], field: str, detail: str) -> str:
    """What was typed into `field`; Invalid with `sentence` if nothing was."""
    if not form.get(field, "").strip():
        raise Invalid(detail, {field: detail})
    return form[field]


def parse_new_password(form: Mapping[str, str], email: str) -> str:
    """The new password; Invalid if it is what was typed as the current one."""
    password = parse_password(form.get("password", ""), email)
    if form["password"] == form.get("current"):
        sentence = gettext("This is the current one. Choose another.")
        raise Invalid(sentence, {"password": sentence})
    return password


def link_token(request: Request) -> str:
    """The secret of the link that was opened."""
    return str(request.path_params["token"])


def _redirect_to_sign_in(request: Request) -> Response:
    return RedirectResponse("/sign-in?" + urlencode({"next": request.url.path}), 303)
