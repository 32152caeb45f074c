"""Reach into uvicorn's HTTP protocol: one-write responses, and no access log line for a request."""

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


# What a request brings along so that its connection can be taken: the transport, and its own cycle
# (`protocol.cycle` may be a pipelined one's), held weakly: a strong one would leave a ring for the
# collector with every request. A plain tuple, because every request makes one.
TakeoverOffer = tuple[asyncio.Transport, "weakref.ref[RequestResponseCycle]"]


def skip_access_log(request: Scope) -> None:
    """No line for this request; whoever asks for it tells what became of it in a better way."""
    if (offer := read_offer(request)) and (cycle := offer[1]()):
        cycle.access_log = False


def send_short_response(
    request: Scope, status: int, headers: Sequence[Header], body: bytes
) -> bool:
    """Send a whole answer in one write, and no line to the access log; False where it cannot be.

    ASGI's `send` takes head and body apart, and uvicorn sends each as it comes: for a short answer
    the second packet is a quarter of all a request costs, and a second wake-up for who reads it.
    The request's body has to be read.
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
    """The offer of a request, where the server makes one."""
    extensions = request.get("extensions")
    return extensions.get(EXTENSION_KEY) if extensions else None
