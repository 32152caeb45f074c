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
from deskwire.accounts.authentication import Knock
from deskwire.accounts.passwords import Hasher, parse_password
from deskwire.accounts.people import normal_email, parse_email, parse_name
from deskwire.accounts.rate_limit import LIMITS, Limits
from deskwire.accounts.sessions import Opened
from deskwire.kit.clock import Clock, now
from deskwire.kit.db import Database
from deskwire.kit.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
    TooMany,
    Unauthenticated,
)
from deskwire.kit.i18n import N_, gettext
from deskwire.web.auth.mail_templates import Letters
from deskwire.web.auth.sessions import BrowserSessions, SignedIn
from deskwire.web.dependencies import NO_LETTERS, SignUp
from deskwire.web.http.errors import status_of
from deskwire.web.rendering.i18n import said
from deskwire.web.rendering.render import Render
from deskwire.workspaces import names

FORM_KIND = "application/x-www-form-urlencoded"  # what a form without files is sent as
FIELDS = 20  # of a form; the largest of ours has five
NEXT_CHARACTERS = 2000  # longer URLs are cut somewhere on the way
WRONG = N_("That e-mail address and password do not belong together. Check both and try again.")
NOT_OPEN = {
    "invited": N_("Accounts here are by invitation. Ask whoever runs this desk to invite you."),
    "closed": N_("This desk takes no new accounts. Ask whoever runs it if you think you need one."),
}

# The link's secret is in the page's path, so no Referer may carry it. `no-referrer` would do that
# too, but makes browsers post the page's own form with `Origin: null` (Fetch, "append a request
# Origin header"), which the guard rightly refuses. `strict-origin` names the site and no path.
WELCOME_HEADERS = {"referrer-policy": "strict-origin"}


@dataclass(frozen=True, slots=True)
class Login:
    """The pages of the door. `db` holds accounts, `browsers` the cookie, `render` makes pages."""

    db: Database
    browsers: BrowserSessions
    hasher: Hasher
    render: Render
    sign_up_mode: SignUp = "invited"
    limits: Limits = LIMITS
    clock: Clock = now
    letters: Letters = NO_LETTERS

    # /sign-in, /sign-out

    async def sign_in_form(self, request: Request) -> Response:
        """GET /sign-in. Who is signed in already goes on."""
        target = safe_next(request.query_params.get("next"))
        if await self.browsers.current(request) is not None:
            return RedirectResponse(target, 303)
        return self._sign_in_page(request, {"next": target})

    async def sign_in(self, request: Request) -> Response:
        """POST /sign-in (email, password, next)."""
        form = await read_form(request)
        try:
            opened = await self._sign_in(request, form)
        except Refusal as refusal:
            return self._sign_in_page(request, form, refusal)
        return self.browsers.enter(RedirectResponse(safe_next(form.get("next")), 303), opened)

    async def _sign_in(self, request: Request, form: Mapping[str, str]) -> Opened:
        typed = parse_all(
            email=lambda: required(form, "email", gettext("Write your e-mail address.")),
            password=lambda: required(form, "password", gettext("Write your password.")),
        )
        visit, email = self.browsers.visit_of(request), normal_email(typed["email"])
        knock = await self.db.write(
            authentication.knock, email, visit.address, self.clock(), self.limits
        )
        if not await self.is_right(knock, typed["password"]):
            raise Unauthenticated(gettext(WRONG))
        better = None
        if knock.hash is not None and self.hasher.is_outdated(knock.hash):
            better = await self.hasher.hash(typed["password"])
        opened = await self.db.write(authentication.admit, knock, visit, self.clock(), better)
        if opened is None:
            raise Unauthenticated(gettext(WRONG))
        return opened

    async def sign_out(self, request: Request) -> Response:
        """POST /sign-out. The session and its streams end; again is harmless."""
        token = self.browsers.token_of(request)
        if token is not None:
            await self.db.write(authentication.sign_out, token, self.clock())
        return self.browsers.leave(RedirectResponse("/sign-in", 303))

    # /sign-up

    async def sign_up_form(self, request: Request) -> Response:
        """GET /sign-up: a form where sign-up is open, else a sentence whom to ask."""
        target = safe_next(request.query_params.get("next"))
        if await self.browsers.current(request) is not None:
            return RedirectResponse(target, 303)
        return self._sign_up_page(request, {"next": target})

    async def sign_up(self, request: Request) -> Response:
        """POST /sign-up (name, email, password, next); 403 where sign-up is not open."""
        form = await read_form(request)
        try:
            opened = await self._sign_up(request, form)
        except Refusal as refusal:
            return self._sign_up_page(request, form, refusal)
        return self.browsers.enter(RedirectResponse(safe_next(form.get("next")), 303), opened)

    async def _sign_up(self, request: Request, form: Mapping[str, str]) -> Opened:
        if self.sign_up_mode != "open":
            raise Forbidden(gettext(NOT_OPEN[self.sign_up_mode]))
        email = normal_email(form.get("email", ""))
        typed = parse_all(
            name=lambda: parse_name(form.get("name", "")),
            email=lambda: parse_email(email),
            password=lambda: parse_password(form.get("password", ""), email),
        )
        visit, at = self.browsers.visit_of(request), self.clock()
        # Counted whatever comes of it: neither many accounts nor many questions from one source.
        await self.db.write(rate_limit.count_sign_up, visit.address, at, self.limits)
        # Hashed before the address is looked up, so that a taken one takes as long.
        hash_ = await self.hasher.hash(typed["password"])
        try:
            compose = self.letters.verification(request) if self.letters.works else None
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
                authentication.find_welcomed, token_of(request), self.clock()
            )
        except NotFound as refusal:
            return self._welcome_page(request, {}, None, refusal)
        return self._welcome_page(request, {"name": person.name}, person.email)

    async def welcome(self, request: Request) -> Response:
        """POST /welcome/{token} (name, password): sets both, uses the link up, signs in."""
        form, token, email = await read_form(request), token_of(request), None
        try:
            email = (await self.db.read(authentication.find_welcomed, token, self.clock())).email
            typed = parse_all(
                name=lambda: parse_name(form.get("name", "")),
                password=lambda: parse_password(form.get("password", ""), email),
            )
            hash_ = await self.hasher.hash(typed["password"])
            visit = self.browsers.visit_of(request)
            opened = await self.db.write(
                names.welcome, token, typed["name"], hash_, visit, self.clock()
            )
        except Refusal as refusal:
            return self._welcome_page(request, form, email, refusal)
        return self.browsers.enter(RedirectResponse("/", 303, WELCOME_HEADERS), opened)

    # /settings/password

    async def password_form(self, request: Request) -> Response:
        """GET /settings/password."""
        signed_in = await self.browsers.current(request)
        if signed_in is None:
            return _to_sign_in(request)
        return self._password_page(request, signed_in)

    async def password(self, request: Request) -> Response:
        """POST /settings/password (current, password): every other session ends."""
        signed_in = await self.browsers.current(request)
        if signed_in is None:
            return _to_sign_in(request)
        try:
            opened = await self._change_password(request, signed_in, await read_form(request))
        except Refusal as refusal:
            return self._password_page(request, signed_in, refusal)
        return self.browsers.enter(RedirectResponse("/settings/password?changed=1", 303), opened)

    async def _change_password(
        self, request: Request, signed_in: SignedIn, form: Mapping[str, str]
    ) -> Opened:
        email = signed_in.person.email
        if email is None:
            raise Conflict(
                gettext("Your account has no e-mail address, so it has no password to change.")
            )
        typed = parse_all(
            current=lambda: required(form, "current", gettext("Write your current password.")),
            password=lambda: parse_another(form, email),
        )
        visit = self.browsers.visit_of(request)
        knock = await self.db.write(
            authentication.knock, email, visit.address, self.clock(), self.limits
        )
        opened = None
        if await self.is_right(knock, typed["current"]):
            hash_ = await self.hasher.hash(typed["password"])
            opened = await self.db.write(
                authentication.change_password, knock, hash_, visit, self.clock()
            )
        if opened is None:
            sentence = gettext("This is not your current password.")
            raise Invalid(sentence, {"current": sentence})
        return opened

    # What they share

    async def is_right(self, knock: Knock, password: str) -> bool:
        """Whether the password is that of who knocked; takes as long where nobody did."""
        try:
            return await self.hasher.is_right(knock.hash, password)
        except TooMany:
            await self.db.write(rate_limit.withdraw, knock.attempt)
            raise

    def _sign_in_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        more = {
            "next": safe_next(form.get("next")),
            "sign_up_open": self.sign_up_mode == "open",
            "mail_works": self.letters.works,
            # Who signed out here has no cookie; one that opens nothing was ended elsewhere.
            "was_ended": refusal is None and self.browsers.token_of(request) is not None,
        }
        return self._page(request, "sign_in.html", form, more, refusal)

    def _sign_up_page(
        self, request: Request, form: Mapping[str, str], refusal: Refusal | None = None
    ) -> Response:
        more = {
            "next": safe_next(form.get("next")),
            "not_open": said(NOT_OPEN).get(self.sign_up_mode),
            "taken": isinstance(refusal, Conflict),
        }
        return self._page(request, "sign_up.html", form, more, refusal)

    def _welcome_page(
        self,
        request: Request,
        form: Mapping[str, str],
        email: str | None,
        refusal: Refusal | None = None,
    ) -> Response:
        more = {"email": email, "usable": not isinstance(refusal, NotFound)}
        page = self._page(request, "welcome.html", form, more, refusal)
        page.headers.update(WELCOME_HEADERS)
        return page

    def _password_page(
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
        more: Mapping[str, object],
        refusal: Refusal | None,
    ) -> Response:
        return form_page(self.render, request, name, form, more, refusal)


def form_page(
    render: Render,
    request: Request,
    name: str,
    form: Mapping[str, str],
    more: Mapping[str, object],
    refusal: Refusal | None,
) -> Response:
    """A page with a form; where it was refused, with what was typed and what is wrong."""
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    alert = str(refusal) if refusal is not None and not errors else None
    typed = {field: form.get(field, "") for field in ("name", "email")}
    context = {"values": typed, "errors": errors, "alert": alert, **more}
    status = 200 if refusal is None else status_of(refusal)
    page = render(request, name, context, status=status)
    if isinstance(refusal, TooMany):
        page.headers["retry-after"] = str(refusal.retry_after)
    return page


def safe_next(text: str | None) -> str:
    """A path of this site to go on to; `/` for anything that may lead elsewhere.

    Browsers read `//x` and `/\\x` as another host, and drop tabs and line ends while reading.
    """
    if not text or len(text) > NEXT_CHARACTERS or not text.startswith("/") or "\\" in text:
        return "/"
    if text.startswith("//") or any(sign <= " " or sign == "\x7f" for sign in text):
        return "/"
    return text


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form; none of what our own pages would not send."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_KIND:  # a multipart form may name a charset that breaks its own parser
        return {}
    async with request.form(max_fields=FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def parse_all(**parsers: Callable[[], str]) -> dict[str, str]:
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


def required(form: Mapping[str, str], field: str, sentence: str) -> str:
    """What was typed into `field`; Invalid with `sentence` if nothing was."""
    if not form.get(field, "").strip():
        raise Invalid(sentence, {field: sentence})
    return form[field]


def parse_another(form: Mapping[str, str], email: str) -> str:
    """The new password; Invalid if it is what was typed as the current one."""
    password = parse_password(form.get("password", ""), email)
    if form["password"] == form.get("current"):
        sentence = gettext("This is the current one. Choose another.")
        raise Invalid(sentence, {"password": sentence})
    return password


def token_of(request: Request) -> str:
    """The secret of the link that was opened."""
    return str(request.path_params["token"])


def _to_sign_in(request: Request) -> Response:
    return RedirectResponse("/sign-in?" + urlencode({"next": request.url.path}), 303)
