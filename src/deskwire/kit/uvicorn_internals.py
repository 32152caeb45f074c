"""Reach into uvicorn to send a response in one write and to suppress its access log line."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    RequestResponseCycle,
)

EXTENSION_KEY = "deskwire.takeover"  # key in the scope's extensions

Header = tuple[bytes, bytes]

# What a request carries so that its connection can be taken over: the transport and the request's
# own cycle (`protocol.cycle` may belong to a pipelined one). The cycle is referenced weakly: a
# strong reference would leave a reference cycle for the garbage collector with every request. A
# plain tuple, because every request creates one.
TakeoverOffer = tuple[asyncio.Transport, "weakref.ref[RequestResponseCycle]"]


def skip_access_log(request: Scope) -> None:
    """Suppress the access log line of a request, for callers that log a better one."""
    if (offer := read_offer(request)) and (cycle := offer[1]()):
        cycle.access_log = False


def send_short_response(
    request: Scope, status: int, headers: Sequence[Header], body: bytes
) -> bool:
    """Send a whole response in one write, without an access log line; False if impossible.

    ASGI sends headers and body separately, and uvicorn writes each right away: for a short response
    the second packet is a quarter of the cost of the request, and wakes the client twice. The body
    of the request must have been read.
    """
    offer = read_offer(request)
    cycle = offer[1]() if offer else None
    if cycle is None or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused:
        return False
    lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
    cycle.message_event.set()
    cycle.on_response()
    return True


def read_offer(request: Scope) -> TakeoverOffer | None:
    """Return the takeover offer of a request, or None if its server makes none."""
    extensions = request.get("extensions")
    return extensions.get(EXTENSION_KEY) if extensions else None
