"""Guard every request before the application sees it. Plain ASGI middleware, nothing buffered.

SecurityHeaders   sets the security headers of every response
Cors              lets pages of listed origins use the API with a key
SingleHost        refuses requests with several Host headers
ShutdownResponse  answers what the server's shutdown cuts short
SameOrigin        refuses state-changing requests from other sites (CSRF)
BodyLimit         refuses bodies that are too large or arrive too slowly
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.kit.i18n import N_, gettext
from deskwire.kit.web_origin import normalize_origin
from deskwire.web.http.cors import Cors, is_key_call, is_shared_call, is_shared_path
from deskwire.web.http.fragments import OWN_FETCH_SITES
from deskwire.web.http.problems import (
    CODE_BY_STATUS,
    PROBLEM_MEDIA_TYPE,
    PROBLEMS,
    ProblemCode,
    render_problem,
)
from deskwire.web.http.shutdown import ShutdownResponse
from deskwire.web.local_requests import (
    LOCAL_REQUESTS,
    LocalRequests,
    is_forwarded,
    is_loopback_peer,
)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1
SIGNED_PREFIXES = ("/api/webhooks/",)  # authenticated by a signature of the body, not a cookie
MAX_FORM_BYTES = 64 * 1024  # a password form has 300; a message may have 10,000 characters
MAX_BODY_BYTES = 1024 * 1024  # JSON of the API
BODY_TIMEOUT = 30.0  # s for a whole body; a phone with poor reception sends a form in five
UPLOAD_TIMEOUT = 900.0  # s for a body with files: 50 MB at half a megabit per second
SEVERAL_HOSTS_DETAIL = N_("Your request has more than one Host header.")
TIMEOUT_DETAIL = N_("Your data took too long to arrive. Try again.")
MULTIPART_MEDIA_TYPE = "multipart/form-data"
HSTS = "max-age=31536000"  # s, a year; without subdomains, which may not be this desk's

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class UploadLimit:
    """Which requests may carry files, and how many bytes their bodies may have."""

    takes_files: Callable[[str, bool], bool]  # (path, whether the body is multipart)
    max_bytes: int


NO_UPLOADS = UploadLimit(lambda _path, _is_form: False, 0)


def add_middleware(
    app: ASGIApp,
    public_url: str | None,
    uploads: UploadLimit = NO_UPLOADS,
    local_requests: LocalRequests = LOCAL_REQUESTS,
    cors_origins: Collection[str] = (),
) -> ASGIApp:
    """Wrap `app` in all guards. The outermost two set headers, so that refusals get them too."""
    limited = BodyLimit(app, uploads=uploads)
    same_origin = SameOrigin(limited, public_url, local_requests, cors_origins)
    shared = Cors(ShutdownResponse(SingleHost(same_origin)), cors_origins)
    return SecurityHeaders(shared, public_url)


class SecurityHeaders:
    """Add SECURITY_HEADERS to responses that do not set them themselves.

    Pages and JSON also get `no-store` unless they say otherwise: they are for one viewer.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._is_https = public_url is not None and urlsplit(public_url).scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        https = self._is_https or scope.get("scheme") == "https"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Copy the list: some responses share one.
                message = {**message, "headers": list(message.get("headers", ()))}
                _add_security_headers(MutableHeaders(scope=message), https=https)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class SingleHost:
    """Refuse requests with several Host headers (RFC 9112, section 3.2).

    A proxy may decide by one of them what we would decide by another. The webhook door, which is in
    front of this, refuses them itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and [name for name, _ in scope["headers"]].count(b"host") > 1:
            await _send_problem(scope, send, "malformed", gettext(SEVERAL_HOSTS_DETAIL))
            return
        await self._app(scope, receive, send)


class SameOrigin:
    """Refuse state-changing requests that another site's page made (CSRF).

    Without a public URL, our own origin is taken from the request (scheme and Host). Only a local
    name is then believed of a browser on this machine: any other may be that of a page whose name
    leads here (DNS rebinding), and the demo's passwords are public.

    A page of one of `cors_origins` may make changes with an API key: no browser adds a key by
    itself, as it does a cookie.
    """

    def __init__(
        self,
        app: ASGIApp,
        public_url: str | None,
        local_requests: LocalRequests = LOCAL_REQUESTS,
        cors_origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._cors_origins = frozenset(cors_origins)
        self._own_origin = public_url and normalize_origin(public_url)
        self._local_requests = local_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] not in SAFE_METHODS
            and not _is_signed_path(scope)
        ):
            reason = self._cross_origin_reason(scope)
            if reason is not None:
                await _send_problem(scope, send, "foreign-origin", reason)
                return
        await self._app(scope, receive, send)

    def _cross_origin_reason(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        if is_shared_call(scope, headers, self._cors_origins):
            return None
        own_origin = self._own_origin or self._requested_origin(HTTPConnection(scope))
        reason = cross_origin_reason(headers, own_origin)
        if reason is not None and "origin" in headers and _is_shared_key_call(scope, headers):
            return gettext(
                "Pages of %(words)s may not use the API of this server. To let them use it with "
                "an API key, add this origin to CORS_ORIGINS.",
                words=", ".join(headers.getlist("origin"))[:200],
            )
        return reason

    def _requested_origin(self, request: HTTPConnection) -> str | None:
        """Return the origin that the request asks for; None if it may be rebound to us."""
        is_direct = is_loopback_peer(request) and not is_forwarded(request.headers.keys())
        if is_direct and not self._local_requests.has_local_name(request):
            return None
        scheme = request.scope.get("scheme", "http")
        return normalize_origin(f"{scheme}://{request.headers.get('host', '')}")


class BodyLimit:
    """Refuse bodies over a size limit, or not complete within a time limit.

    The limits are `max_form_bytes` for forms, `max_body_bytes` for anything else, and `uploads`
    where files are accepted. `timeout` is in seconds for the whole body: a client that sends a
    byte now and then would hold its connection forever (slowloris).
    """

    def __init__(
        self,
        app: ASGIApp,
        max_form_bytes: int = MAX_FORM_BYTES,
        max_body_bytes: int = MAX_BODY_BYTES,
        timeout: float = BODY_TIMEOUT,
        uploads: UploadLimit = NO_UPLOADS,
    ) -> None:
        self._app = app
        self._max_form_bytes = max_form_bytes
        self._max_body_bytes = max_body_bytes
        self._timeout = timeout
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or _is_signed_path(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        max_bytes = self._max_form_bytes if _is_form(headers) else self._max_body_bytes
        timeout = self._timeout
        is_multipart = _media_type_of(headers) == MULTIPART_MEDIA_TYPE
        if self._uploads.takes_files(str(scope["path"]), is_multipart):
            max_bytes, timeout = self._uploads.max_bytes, UPLOAD_TIMEOUT
        if _content_length(headers) > max_bytes:
            await _send_problem(scope, send, "too-large", _too_large_detail(max_bytes))
            return
        await self._run_with_limit(max_bytes, timeout, scope, receive, send)

    async def _run_with_limit(
        self, max_bytes: int, seconds: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        received_bytes, is_complete, response_started = 0, False, False
        deadline = asyncio.get_running_loop().time() + seconds

        async def receive_limited() -> Message:
            nonlocal received_bytes, is_complete
            try:
                async with asyncio.timeout_at(None if is_complete else deadline):
                    message = await receive()
            except TimeoutError:
                raise _BodyRejected(408, gettext(TIMEOUT_DETAIL)) from None
            received_bytes += len(message.get("body", b""))
            if received_bytes > max_bytes:
                raise _BodyRejected(413, _too_large_detail(max_bytes))
            is_complete = not message.get("more_body", False)
            return message

        async def send_and_record(message: Message) -> None:
            nonlocal response_started
            response_started = True
            await send(message)

        try:
            await self._app(scope, receive_limited, send_and_record)
        except _BodyRejected as error:
            if response_started:
                raise
            await _send_problem(scope, send, CODE_BY_STATUS[error.status_code], error.detail)


class _BodyRejected(HTTPException):
    """The rest of the body is not read. The application may handle it with its own error page."""


def cross_origin_reason(headers: Headers, own_origin: str | None) -> str | None:
    """Return why a state-changing request did not come from our own pages; None if it did.

    Browsers send Origin with every such request. If it is missing, Sec-Fetch-Site decides, which
    no page can forge. If both are missing, the client is not a browser and must not send a cookie.
    """
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if origins:
        if own_origin is not None and [normalize_origin(each) for each in origins] == [own_origin]:
            return None
        return gettext(
            "This form was sent from %(words)s, not from %(own)s. If both are addresses of "
            "this server, set PUBLIC_URL to the one people use.",
            words=", ".join(origins)[:200],
            own=own_origin or gettext("this server"),
        )
    if sites:
        if set(sites) <= OWN_FETCH_SITES:
            return None
        return gettext("This form was sent from another site. Open the page here and try again.")
    if "cookie" in headers:
        return gettext(
            "This request has a cookie but no Origin header. "
            "Send the address of this server as Origin."
        )
    return None


def _add_security_headers(headers: MutableHeaders, *, https: bool) -> None:
    for name, value in _security_headers_for(headers.get("content-type", ""), https=https):
        headers.setdefault(name, value)


def _security_headers_for(content_type: str, *, https: bool) -> Iterator[tuple[str, str]]:
    yield from SECURITY_HEADERS.items()
    if https:
        yield "strict-transport-security", HSTS
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "text/html" or media_type.endswith("json"):
        yield "cache-control", "no-store"


def _is_shared_key_call(scope: Scope, headers: Headers) -> bool:
    return is_shared_path(scope) and is_key_call(headers)


def _is_signed_path(scope: Scope) -> bool:
    return str(scope["path"]).startswith(SIGNED_PREFIXES)


def _is_form(headers: Headers) -> bool:
    return _media_type_of(headers) in ("application/x-www-form-urlencoded", MULTIPART_MEDIA_TYPE)


def _media_type_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _content_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0  # the body is counted too


def _too_large_detail(max_bytes: int) -> str:
    return gettext("You sent more than %(limit)s KiB. Send less.", limit=max_bytes // 1024)


async def _send_problem(scope: Scope, send: Send, code: ProblemCode, detail: str) -> None:
    """Send a problem document below /api/, else the detail as plain text."""
    status, media_type, body = PROBLEMS[code].status, "text/plain; charset=utf-8", detail.encode()
    if str(scope["path"]).startswith("/api/"):
        media_type, body = PROBLEM_MEDIA_TYPE, render_problem(code, detail)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
