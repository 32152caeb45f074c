"""Answer requests that the server's shutdown cuts short, instead of failing with a traceback."""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire.kit.i18n import N_, gettext
from deskwire.web.http.negotiation import wants_json
from deskwire.web.http.problems import PROBLEM_MEDIA_TYPE, PROBLEMS, render_problem

RETRY_AFTER = 5  # s; a restart takes two
DETAIL = N_("The server is restarting. Try again in a moment.")


class ShutdownResponse:
    """Respond with 503 to a request whose task the server cancels, which it does only at its end.

    A response that has begun is cut off.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_and_record(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_record)
        except asyncio.CancelledError:
            if not has_begun:
                await _send_unavailable(scope, send)


async def _send_unavailable(scope: Scope, send: Send) -> None:
    detail = gettext(DETAIL)
    media_type, body = "text/plain; charset=utf-8", detail.encode()
    if wants_json(HTTPConnection(scope)):
        media_type, body = PROBLEM_MEDIA_TYPE, render_problem("unavailable", detail)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"retry-after", str(RETRY_AFTER).encode()),
    ]
    status = PROBLEMS["unavailable"].status
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
