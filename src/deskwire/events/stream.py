"""A stream: `text/event-stream` for one caller, from the hub to the way out.

Plain ASGI. The response holds no database session; all it holds is a seat and a small buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import parse_qs

from starlette.types import Receive, Send
from starlette.types import Scope as Request

from deskwire.events.hub import Draining, Hub
from deskwire.events.seat import Caller, Scope, Seat

END_WITHIN = 5.0  # s for a reader to take its goodbye; then the connection is cut
OUTLET_BYTES = 64 * 1024  # bytes taken but not sent; then the seat stands still

HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would hold frames back
    (b"connection", b"close"),
]

CONNECTION = "deskwire.connection"  # key in the scope's extensions: a function that finds it


class Connection(Protocol):
    """The connection below ASGI, where the server offers it."""

    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...


Identify = Callable[[Request], Awaitable[Caller | None]]


class Stream:
    """The endpoint of a scope: `/api/events` (all) and `/api/guilds/events` (guilds)."""

    def __init__(self, scope: Scope, hub: Callable[[], Hub], identify: Identify) -> None:
        self._scope: Scope = scope
        self._hub = hub
        self._identify = identify

    async def __call__(self, request: Request, receive: Receive, send: Send) -> None:
        if request["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"Method Not Allowed", (b"allow", b"GET, HEAD"))
            return
        caller = await self._identify(request)
        if caller is None:
            await _answer(send, 401, b"Unauthorized")
            return
        if request["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body"})
            return
        outlet = AsgiOutlet(self._hub(), send, connection_of(request))
        try:
            outlet.seat = self._hub().join(caller, self._scope, outlet, _cursor_of(request))
        except Draining:
            await _answer(send, 503, b"Restarting", (b"retry-after", b"1"))
            return
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await outlet.run(receive)
        finally:
            self._hub().leave(outlet.seat)


class AsgiOutlet:
    """The way out over ASGI `send`, which waits while the connection is full."""

    def __init__(self, hub: Hub, send: Send, connection: Connection | None = None) -> None:
        self.seat: Seat | None = None
        self._hub = hub
        self._send = send
        self._connection = connection
        self._parts: list[bytes] = []
        self._size = 0
        self._filled = asyncio.Event()
        self._ended = False
        self._closed = asyncio.Event()  # it shall not wait for its reader any longer

    def write(self, data: bytes) -> None:
        """Take `data`, and stand still once too much waits."""
        self._parts.append(data)
        self._size += len(data)
        self._filled.set()
        if self._size >= OUTLET_BYTES and self.seat is not None and not self.seat.paused:
            self._hub.pause(self.seat)

    def end(self) -> None:
        self._ended = True
        self._filled.set()
        asyncio.get_running_loop().call_later(END_WITHIN, self.abort)

    def abort(self) -> None:
        self._closed.set()

    async def run(self, receive: Receive) -> None:
        """Send until the stream is ended, aborted, or the client has gone."""
        sender = asyncio.create_task(self._forward())
        endings = (_wait_until_gone(receive), self._closed.wait())
        others = [asyncio.create_task(ending) for ending in endings]
        try:
            await asyncio.wait({sender, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not sender.done() and self._connection is not None:
                self._connection.abort()  # or what was sent and not read would hold it open
            for task in (sender, *others):
                task.cancel()
            await asyncio.gather(sender, *others, return_exceptions=True)

    async def _forward(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._parts:
                data = b"".join(self._parts)
                self._parts.clear()
                self._size = 0
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                if self._connection is not None and self._connection.is_closing():
                    return  # a pipelined request keeps the server from telling us so
                if self.seat is not None and self.seat.paused and not self.seat.closed:
                    self._hub.resume(self.seat)
            if self._ended:
                await self._send({"type": "http.response.body", "body": b""})
                return


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def connection_of(request: Request) -> Connection | None:
    """The connection of a request, if the server offers it."""
    find: Callable[[], Connection | None] | None = (request.get("extensions") or {}).get(CONNECTION)
    return find() if find is not None else None


def _cursor_of(request: Request) -> str | None:
    # The header wins: a native reconnect repeats the URL with its old `after`.
    for name, value in request["headers"]:
        if name == b"last-event-id":
            return str(value.decode("latin-1"))
    after = parse_qs(request["query_string"].decode("latin-1")).get("after")
    return after[0] if after else None


async def _answer(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
