"""Authenticate browsers by their session cookie, and renew it while it is used.

Page views extend a session; streams do not: a tab left open is not a person at work, and it
reconnects by itself forever.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.accounts import sessions
from deskwire.accounts.authentication import Browser
from deskwire.accounts.sessions import NewSession, Session
from deskwire.kit.batch_loader import BatchLoader
from deskwire.kit.clock import SECOND, Clock, now
from deskwire.kit.db import Database
from deskwire.realtime.subscription import Caller
from deskwire.web.dependencies import SignedIn

RENEWED_TOKENS_KEY = "deskwire.renewed_session"  # in the ASGI scope: tokens whose cookie to renew


class BrowserSessions:
    """Read and write the session cookie; the sessions themselves are in `db`.

    `secure` is whether the public URL is https. The cookie's name then begins with `__Host-`,
    which no neighboring subdomain can set (RFC 6265bis, 4.1.3.2).
    """

    def __init__(self, db: Database, *, secure: bool, clock: Clock = now) -> None:
        self._db = db
        self._secure = secure
        self._clock = clock
        self._session_loader = BatchLoader(self._load_sessions)
        self.cookie_name = cookie_name(secure=secure)

    async def identify(self, scope: Scope) -> Caller | None:
        """Return whose stream a request opens; None if no one is signed in."""
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
        """Return who is signed in, or None. Extends the session, at most once an hour."""
        token, at = self.session_token(request), self._clock()
        if token is None:
            return None
        row = await self._db.read(sessions.find_with_person, token, at)
        if row is None:
            return None
        signed_in = SignedIn(*row)
        if sessions.is_extension_due(signed_in.session, at) and await self._db.write(
            sessions.extend, signed_in.session.id, at
        ):
            request.scope.setdefault(RENEWED_TOKENS_KEY, []).append(token)
        return signed_in

    def client_info(self, request: Request) -> Browser:
        """Describe the browser that sent a request; its address is the one the server reports."""
        client_ip = request.client.host if request.client else None
        user_agent = request.headers.get("user-agent", "")
        return Browser(client_ip, user_agent, self.session_token(request))

    def set_cookie(self, response: Response, new_session: NewSession) -> Response:
        """Set the cookie of a new session."""
        return self._set_cookie(response, new_session.token, sessions.LIFETIME // SECOND)

    def clear_cookie(self, response: Response) -> Response:
        """Delete the cookie."""
        return self._set_cookie(response, "", 0)

    def renew_cookie(self, response_headers: MutableHeaders, token: str) -> None:
        """Set the cookie of an extended session again, unless the response sets it already."""
        prefix = f"{self.cookie_name}="
        if not any(line.startswith(prefix) for line in response_headers.getlist("set-cookie")):
            renewed = self._set_cookie(Response(), token, sessions.LIFETIME // SECOND)
            response_headers.append("set-cookie", renewed.headers["set-cookie"])

    def session_token(self, request: HTTPConnection) -> str | None:
        """Return the token in the session cookie; None if there is no cookie."""
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
    """Return the name of the session cookie."""
    return "__Host-deskwire" if secure else "deskwire"


class RenewCookies:
    """Renew the cookie in the response to a request that extended its session (ASGI)."""

    def __init__(self, app: ASGIApp, browsers: BrowserSessions) -> None:
        self._app = app
        self._browsers = browsers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A mutable list, because the application may work on a copy of the scope.
        renewed: list[str] = []
        scope[RENEWED_TOKENS_KEY] = renewed

        async def send_with_cookie(message: Message) -> None:
            if renewed and message["type"] == "http.response.start":
                message = {**message, "headers": list(message.get("headers", ()))}
                self._browsers.renew_cookie(MutableHeaders(scope=message), renewed[0])
            await send(message)

        await self._app(scope, receive, send_with_cookie)
