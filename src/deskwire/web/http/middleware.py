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
from deskwire.web.http.problems import BY_STATUS, KIND, PROBLEMS, Code, document

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110, 9.2.1
SIGNED = ("/api/webhooks/",)  # prefixes whose requests carry a signature of their own
FORM_BYTES = 64 * 1024  # a password form has 300; a message may have 10,000 characters
OTHER_BYTES = 1024 * 1024  # JSON of the API; never read further than this
BODY_WITHIN = 30.0  # s for a whole body; a telephone with one bar sends a form in five
FILES_WITHIN = 900.0  # s for a body with files: 50 MB at half a megabit a second
TOO_SLOW = N_("The request did not arrive in time. Try again.")
PARTS_KIND = "multipart/form-data"
HSTS = "max-age=31536000"  # s, a year; subdomains are not ours to speak for
PORTS = {"http": 80, "https": 443}
OWN_SITES = frozenset({"same-origin", "none"})  # Sec-Fetch-Site of our pages, and of a bookmark

POLICY = {
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
class RoomForFiles:
    """Where a body may hold files, and how many bytes it may then have."""

    takes_files: Callable[[str, bool], bool]  # (path, whether the body is a form with parts)
    limit: int


NO_FILES = RoomForFiles(lambda _path, _is_form: False, 0)


def guard(app: ASGIApp, public_url: str | None, files: RoomForFiles = NO_FILES) -> ASGIApp:
    """All guards around `app`. Refusals pass the outermost, so they have the headers too."""
    return SecurityHeaders(SameOrigin(BodyLimit(app, files=files), public_url), public_url)


class SecurityHeaders:
    """Adds the headers of POLICY where the answer does not set them itself.

    Pages and JSON are not stored anywhere unless they say so: they are for one viewer.
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._https = public_url is not None and urlsplit(public_url).scheme == "https"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        https = self._https or scope.get("scheme") == "https"

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A copy: some answers share one list of headers.
                message = {**message, "headers": list(message.get("headers", ()))}
                _add_policy(MutableHeaders(scope=message), https=https)
            await send(message)

        await self._app(scope, receive, send_with_policy)


class SameOrigin:
    """Refuses requests that change something and were made by another site's page.

    Without a public URL, our origin is what the request itself says (scheme and Host).
    """

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._own = public_url and normal_origin(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE and not _is_signed(scope):
            headers = Headers(scope=scope)
            own = self._own or normal_origin(
                f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"
            )
            reason = why_foreign(headers, own)
            if reason is not None:
                await _refuse(scope, send, "foreign-origin", reason)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Reads no more of a body than FORM_BYTES of a form or OTHER_BYTES of anything else.

    It must be here `within` so many seconds: one that trickles would hold its connection for ever.
    """

    def __init__(
        self,
        app: ASGIApp,
        form: int = FORM_BYTES,
        other: int = OTHER_BYTES,
        within: float = BODY_WITHIN,
        files: RoomForFiles = NO_FILES,
    ) -> None:
        self._app = app
        self._form = form
        self._other = other
        self._seconds = within
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE or _is_signed(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit, seconds = self._form if _is_form(headers) else self._other, self._seconds
        if self._files.takes_files(str(scope["path"]), _kind_of(headers) == PARTS_KIND):
            limit, seconds = self._files.limit, FILES_WITHIN
        if _announced(headers) > limit:
            await _refuse(scope, send, "too-large", _too_large(limit))
            return
        await self._within(limit, seconds, scope, receive, send)

    async def _within(
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
                raise _Unread(408, gettext(TOO_SLOW)) from None
            taken += len(message.get("body", b""))
            if taken > limit:
                raise _Unread(413, _too_large(limit))
            whole = not message.get("more_body", False)
            return message

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive_some, send_noting)
        except _Unread as refusal:
            if started:
                raise
            await _refuse(scope, send, BY_STATUS[refusal.status_code], refusal.detail)


class _Unread(HTTPException):
    """The rest of a body is not read. The app may answer it with an error page of its own."""


def why_foreign(headers: Headers, own: str | None) -> str | None:
    """Why a request that changes something is not from our own pages; None if it is.

    Browsers send Origin with every such request. Where it is missing, Sec-Fetch-Site tells (no
    page can forge it); where both are, there is no browser, and then no cookie either.
    """
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if origins:
        if own is not None and [normal_origin(each) for each in origins] == [own]:
            return None
        return gettext(
            "This request came from %(words)s, not from %(own)s. If both are this desk's own "
            "address, PUBLIC_URL must name the one that people use.",
            words=", ".join(origins)[:200],
            own=own or gettext("this desk"),
        )
    if sites:
        if set(sites) <= OWN_SITES:
            return None
        return gettext(
            "This request came from another site. Open the page on this desk and try again."
        )
    if "cookie" in headers:
        return gettext("This request has a cookie but does not say where it came from (Origin).")
    return None


def normal_origin(url: str) -> str | None:
    """`HTTPS://Desk.example:443/x` → `https://desk.example`; None for what has no origin."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    suffix = "" if port in (None, PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{suffix}"


def _add_policy(headers: MutableHeaders, *, https: bool) -> None:
    for name, value in _policy_for(headers.get("content-type", ""), https=https):
        headers.setdefault(name, value)


def _policy_for(content_type: str, *, https: bool) -> Iterator[tuple[str, str]]:
    yield from POLICY.items()
    if https:
        yield "strict-transport-security", HSTS
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/html" or kind.endswith("json"):
        yield "cache-control", "no-store"


def _is_signed(scope: Scope) -> bool:
    return str(scope["path"]).startswith(SIGNED)


def _is_form(headers: Headers) -> bool:
    return _kind_of(headers) in ("application/x-www-form-urlencoded", PARTS_KIND)


def _kind_of(headers: Headers) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else 0  # what is read is counted


def _too_large(limit: int) -> str:
    return gettext("The request is larger than %(limit)s KiB. Send less.", limit=limit // 1024)


async def _refuse(scope: Scope, send: Send, code: Code, sentence: str) -> None:
    """A sentence in plain text; programs below /api/ get a problem."""
    status, kind, body = PROBLEMS[code].status, "text/plain; charset=utf-8", sentence.encode()
    if str(scope["path"]).startswith("/api/"):
        kind, body = KIND, document(code, sentence)
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
