"""Browser sessions: the cookie, who it says is there, and its renewal while it is used.

Pages use a session and so prolong it; streams do not: a tab left open is nobody at the desk, and
reconnects by itself for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.accounts import sessions
from deskwire.accounts.authentication import Browser
from deskwire.accounts.people import Person
from deskwire.accounts.sessions import NewSession, Session
from deskwire.kit.batch_loader import BatchLoader
from deskwire.kit.clock import SECOND, Clock, now
from deskwire.kit.db import Database
from deskwire.realtime.subscription import Caller

RENEWED_TOKENS_KEY = "deskwire.renewed_session"  # key in the ASGI scope; the tokens to send again


class SignedIn(NamedTuple):
    """Who is there, by which session, and who they are elsewhere."""

    person: Person
    session: Session
    principals: tuple[str, ...]


class BrowserSessions:
    """Reads and writes the cookie of `deskwire`, over the sessions kept in `db`.

    `secure`: whether the public URL is https. Then the cookie's name begins with `__Host-`, which
    no neighbouring subdomain can set (RFC 6265bis, 4.1.3.2).
    """

    def __init__(self, db: Database, *, secure: bool, clock: Clock = now) -> None:
        self._db = db
        self._secure = secure
        self._clock = clock
        self._session_loader = BatchLoader(self._load_sessions)
        self.cookie_name = cookie_name(secure=secure)

    async def identify(self, scope: Scope) -> Caller | None:
        """Whose stream this is; what `events.stream.Stream` asks."""
        token = self.session_token(HTTPConnection(scope))
        if token is None:
            return None
        session = await self._session_loader.load(token)
        if session is None:
            return None
        return Caller(session.person, session.id, session.expires_at)

    async def _load_sessions(self, tokens: Collection[str]) -> Mapping[str, Session]:
        return await self._db.read(sessions.find_by_tokens, list(tokens), self._clock())

    async def find_signed_in(self, request: HTTPConnection) -> SignedIn | None:
        """Who looks at this page. Using a session prolongs it, at most once an hour."""
        token, at = self.session_token(request), self._clock()
        if token is None:
            return None
        found = await self._db.read(sessions.find_with_person, token, at)
        if found is None:
            return None
        if sessions.is_extension_due(found[1], at) and await self._db.write(
            sessions.extend, found[1].id, at
        ):
            request.scope.setdefault(RENEWED_TOKENS_KEY, []).append(token)
        return SignedIn(*found)

    def client_info(self, request: Request) -> Browser:
        """The browser that sent `request`. Its address is believed as the server gives it."""
        address = request.client.host if request.client else None
        return Browser(address, request.headers.get("user-agent", ""), self.session_token(request))

    def set_cookie(self, response: Response, opened: NewSession) -> Response:
        """Give the browser the cookie of a session just begun."""
        return self._set_cookie(response, opened.token, sessions.LIFETIME // SECOND)

    def clear_cookie(self, response: Response) -> Response:
        """Take the cookie away."""
        return self._set_cookie(response, "", 0)

    def renew_cookie(self, response_headers: MutableHeaders, token: str) -> None:
        """Send the cookie of a prolonged session again, unless the page sets it itself."""
        own = f"{self.cookie_name}="
        if not any(line.startswith(own) for line in response_headers.getlist("set-cookie")):
            fresh = self._set_cookie(Response(), token, sessions.LIFETIME // SECOND)
            response_headers.append("set-cookie", fresh.headers["set-cookie"])

    def session_token(self, request: HTTPConnection) -> str | None:
        """The secret the browser sent."""
        return request.cookies.get(self.cookie_name) or None

    def _set_cookie(self, response: Response, token: str, seconds: int) -> Response:
        response.set_cookie(
            self.cookie_name,
            token,
            max_age=seconds,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="lax",
        )
        return response


def cookie_name(*, secure: bool) -> str:
    """What the cookie of a session is called."""
    return "__Host-deskwire" if secure else "deskwire"


class RenewCookies:
    """ASGI middleware: when a request prolonged its session, its answer prolongs the cookie."""

    def __init__(self, app: ASGIApp, browsers: BrowserSessions) -> None:
        self._app = app
        self._browsers = browsers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A list, because what comes after may pass on a copy of the scope.
        renewed: list[str] = []
        scope[RENEWED_TOKENS_KEY] = renewed

        async def send_renewed(message: Message) -> None:
            if renewed and message["type"] == "http.response.start":
                message = {**message, "headers": list(message.get("headers", ()))}
                self._browsers.renew_cookie(MutableHeaders(scope=message), renewed[0])
            await send(message)

        await self._app(scope, receive, send_renewed)
