"""Let pages of listed origins use the API with an API key (CORS, Fetch standard section 3.2).

Only calls with a key and without a cookie are shared: a session belongs to this desk's own pages,
and `Access-Control-Allow-Credentials` is never sent. An origin that is not listed gets no header,
so its browser keeps the response from the page.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SHARED_PATHS = ("/api/", "/files")
UNSHARED_PATHS = ("/api/webhooks/",)  # for senders, which are no pages
PREFLIGHT_HEADERS = {
    "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": (
        "authorization, content-type, idempotency-key, last-event-id, x-file-name"
    ),
    "access-control-max-age": "600",  # s; a change of the setting is seen after ten minutes
    "cache-control": "no-store",
}
EXPOSED_HEADERS = "link, location, retry-after, ratelimit, ratelimit-policy, idempotency-replayed"


class Cors:
    """Answer preflights from listed origins, and share responses to API keys with them (ASGI)."""

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._origins or not is_shared_path(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        if origin in self._origins and _is_preflight(scope, headers):
            await _answer_preflight(origin, send)
            return
        shared_with = origin if is_shared_call(scope, headers, self._origins) else None

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": list(message.get("headers", ()))}
                _add_headers(MutableHeaders(scope=message), shared_with)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def is_shared_path(scope: Scope) -> bool:
    """Whether pages of listed origins may call a path."""
    path = str(scope["path"])
    return path.startswith(SHARED_PATHS) and not path.startswith(UNSHARED_PATHS)


def is_key_call(headers: Headers) -> bool:
    """Whether a request is made with a key alone, and not with a session."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(token) and "cookie" not in headers


def is_shared_call(scope: Scope, headers: Headers, origins: Collection[str]) -> bool:
    """Whether a page of a listed origin makes a request with a key."""
    sent = headers.getlist("origin")
    return len(sent) == 1 and sent[0] in origins and is_shared_path(scope) and is_key_call(headers)


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers


async def _answer_preflight(origin: str, send: Send) -> None:
    headers = {**PREFLIGHT_HEADERS, "access-control-allow-origin": origin, "vary": "Origin"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})


def _add_headers(headers: MutableHeaders, shared_with: str | None) -> None:
    headers.add_vary_header("Origin")
    if shared_with is not None:
        headers["access-control-allow-origin"] = shared_with
        headers["access-control-expose-headers"] = EXPOSED_HEADERS
