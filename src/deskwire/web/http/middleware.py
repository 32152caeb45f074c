"""Guards: what every request passes before anything of ours sees it. Plain ASGI, nothing buffered.

SecurityHeaders   every answer says what a browser may do with it
SameOrigin        a request that changes something comes from our own pages
BodyLimit         a body is no larger than a form needs (or files do, where some are taken), and
                  comes in time
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.kit.i18n import N_, gettext
from deskwire.web.http.problems import (
    CODE_BY_STATUS,
    PROBLEM_MEDIA_TYPE,
    PROBLEMS,
    ProblemCode,
    render_problem,
)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1
SIGNED_PREFIXES = ("/api/webhooks/",)  # prefixes whose requests carry a signature of their own
MAX_FORM_BYTES = 64 * 1024  # a password form has 300; a message may have 10,000 characters
MAX_BODY_BYTES = 1024 * 1024  # JSON of the API; never read further than this
BODY_TIMEOUT = 30.0  # s for a whole body; a telephone with one bar sends a form in five
UPLOAD_TIMEOUT = 900.0  # s for a body with files: 50 MB at half a megabit a second
TIMEOUT_DETAIL = N_("The request did not arrive in time. Try again.")
MULTIPART_MEDIA_TYPE = "multipart/form-data"
HSTS = "max-age=31536000"  # s, a year; subdomains are not ours to speak for
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_FETCH_SITES = frozenset(
    {"same-origin", "none"}
)  # Sec-Fetch-Site of our pages, and of a bookmark

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
    """Where a body may hold files, and how many bytes it may then have."""

    takes_files: Callable[[str, bool], bool]  # (path, whether the body is a form with parts)
    max_bytes: int


NO_UPLOADS = UploadLimit(lambda _path, _is_form: False, 0)


def add_middleware(
    app: ASGIApp, public_url: str | None, uploads: UploadLimit = NO_UPLOADS
) -> ASGIApp:
    """All guards around `app`. Refusals pass the outermost, so they have the headers too."""
    return SecurityHeaders(SameOrigin(BodyLimit(app, uploads=uploads), public_url), public_url)


class SecurityHeaders:
    """Adds the headers of POLICY where the answer does not set them itself.

    Pages and JSON are not stored anywhere unless they say so: they are for one viewer.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._is_https = public_url is not None and urlsplit(public_url).scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        https = self._is_https or scope.get("scheme") == "https"

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A copy: some answers share one list of headers.
                message = {**message, "headers": list(message.get("headers", ()))}
                _add_security_headers(MutableHeaders(scope=message), https=https)
            await send(message)

        await self._app(scope, receive, send_with_policy)


class SameOrigin:
    """Refuses requests that change something and were made by another site's page.

    Without a public URL, our origin is what the request itself says (scheme and Host).
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._own_origin = public_url and normalize_origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] not in SAFE_METHODS
            and not _is_signed_path(scope)
        ):
            headers = Headers(scope=scope)
            own = self._own_origin or normalize_origin(
                f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"
            )
            reason = cross_origin_reason(headers, own)
            if reason is not None:
                await _send_problem(scope, send, "foreign-origin", reason)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads no more of a body than FORM_BYTES of a form or OTHER_BYTES of anything else.

    It must be here `within` so many seconds: one that trickles would hold its connection for ever.
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
        limit, seconds = (
            self._max_form_bytes if _is_form(headers) else self._max_body_bytes,
            self._timeout,
        )
        if self._uploads.takes_files(
            str(scope["path"]), _media_type_of(headers) == MULTIPART_MEDIA_TYPE
        ):
            limit, seconds = self._uploads.max_bytes, UPLOAD_TIMEOUT
        if _content_length(headers) > limit:
            await _send_problem(scope, send, "too-large", _too_large_detail(limit))
            return
        await self._run_with_limit(limit, seconds, scope, receive, send)

    async def _run_with_limit(
        self, limit: int, seconds: float, scope: Scope, receive: Receive, send: Send
    ) -> None:
        taken, whole, started = 0, False, False
        deadline = asyncio.get_running_loop().time() + seconds

        async def receive_some() -> Message:
            nonlocal taken, whole
            try:
                async with asyncio.timeout_at(None if whole else deadline):
                    message = await receive()
            except TimeoutError:
                raise _BodyRejected(408, gettext(TIMEOUT_DETAIL)) from None
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _BodyRejected(413, _too_large_detail(limit))
            whole = not message.get("more_body", False)
            return message

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive_some, send_noting)
        except _BodyRejected as refusal:
            if started:
                raise
            await _send_problem(scope, send, CODE_BY_STATUS[refusal.status_code], refusal.detail)


class _BodyRejected(HTTPException):
    """The rest of a body is not read. The app may answer it with an error page of its own."""


def cross_origin_reason(headers: Headers, own_origin: str | None) -> str | None:
    """Why a request that changes something is not from our own pages; None if it is.

    Browsers send Origin with every such request. Where it is missing, Sec-Fetch-Site tells (no
    page can forge it); where both are, there is no browser, and then no cookie either.
    """
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if origins:
        if own_origin is not None and [normalize_origin(each) for each in origins] == [own_origin]:
            return None
        return gettext(
            "This request came from %(words)s, not from %(own)s. If both are this desk's own "
            "address, PUBLIC_URL must name the one that people use.",
            words=", ".join(origins)[:200],
            own=own_origin or gettext("this desk"),
        )
    if sites:
        if set(sites) <= OWN_FETCH_SITES:
            return None
        return gettext(
            "This request came from another site. Open the page on this desk and try again."
        )
    if "cookie" in headers:
        return gettext("This request has a cookie but does not say where it came from (Origin).")
    return None


def normalize_origin(url: str) -> str | None:
    """`HTTPS://Desk.example:443/x` → `https://desk.example`; None for what has no origin."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    suffix = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def _add_security_headers(headers: MutableHeaders, *, https: bool) -> None:
    for name, value in _security_headers_for(headers.get("content-type", ""), https=https):
        headers.setdefault(name, value)


def _security_headers_for(content_type: str, *, https: bool) -> Iterator[tuple[str, str]]:
    yield from SECURITY_HEADERS.items()
    if https:
        yield "strict-transport-security", HSTS
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/html" or kind.endswith("json"):
        yield "cache-control", "no-store"


def _is_signed_path(scope: Scope) -> bool:
    return str(scope["path"]).startswith(SIGNED_PREFIXES)


def _is_form(headers: Headers) -> bool:
    return _media_type_of(headers) in ("application/x-www-form-urlencoded", MULTIPART_MEDIA_TYPE)


def _media_type_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _content_length(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0  # what is read is counted


def _too_large_detail(limit: int) -> str:
    return gettext("The request is larger than %(limit)s KiB. Send less.", limit=limit // 1024)


async def _send_problem(scope: Scope, send: Send, code: ProblemCode, detail: str) -> None:
    """A sentence in plain text; programs below /api/ get a problem."""
    status, kind, body = PROBLEMS[code].status, "text/plain; charset=utf-8", detail.encode()
    if str(scope["path"]).startswith("/api/"):
        kind, body = PROBLEM_MEDIA_TYPE, render_problem(code, detail)
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
