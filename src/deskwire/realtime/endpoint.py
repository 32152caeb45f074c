"""A stream: `text/event-stream` for one caller, from the hub to the way out.

Where the server offers its connection, the stream takes it over (`uvicorn_takeover.py`); elsewhere
it is an ASGI response like any other. Same frames; neither holds a database session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Send
from starlette.types import Scope as Request

from deskwire.kit.uvicorn_internals import offer_of
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Caller, Outlet, Scope, Seat, Sink
from deskwire.realtime.uvicorn_takeover import END_WITHIN, take

OUTLET_BYTES = 64 * 1024  # bytes taken but not sent; then the seat stands still

HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would hold frames back
    (b"connection", b"close"),
)

Identify = Callable[[Request], Awaitable[Caller | None]]


class Stream:
    """The endpoint of a scope: `/api/events` (all), `/api/guilds/events`, `/api/requests/events`.

    `identify` may refuse by raising, before anything is sent.
    """

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
            await send(_head())
            await send({"type": "http.response.body"})
            return
        hub = self._hub()
        if hub.is_draining:
            await _answer(send, 503, b"Restarting", (b"retry-after", b"1"))
            return
        join = partial(hub.join, caller, self._scope, after=_cursor_of(request))
        if offer := offer_of(request):
            await take(offer, send, _head(), hub, join)
        else:
            await AsgiOutlet(hub, send).run(receive, join)


class AsgiOutlet:
    """The way out over ASGI `send`, which waits while the connection is full."""

    def __init__(self, hub: Hub, send: Send) -> None:
        self._seat: Seat | None = None
        self._hub = hub
        self._send = send
        self._parts: list[bytes] = []
        self._size = 0
        self._filled = asyncio.Event()
        self._ended = False
        self._closed = asyncio.Event()  # it shall not wait for its reader any longer

    @property
    def sink(self) -> Sink:
        return self

    def write(self, data: bytes) -> None:
        """Take `data`, and stand still once too much waits."""
        self._parts.append(data)
        self._size += len(data)
        self._filled.set()
        if self._size >= OUTLET_BYTES and self._seat is not None and not self._seat.paused:
            self._hub.pause(self._seat)

    def end(self) -> None:
        self._ended = True
        self._filled.set()
        asyncio.get_running_loop().call_later(END_WITHIN, self.abort)

    def abort(self) -> None:
        self._closed.set()

    async def run(self, receive: Receive, join: Callable[[Outlet], Seat]) -> None:
        """Take a seat and send until the stream is ended, aborted, or the client has gone."""
        self._seat = join(self)
        endings = (self._forward(), _wait_until_gone(receive), self._closed.wait())
        tasks = [asyncio.create_task(ending) for ending in endings]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._seat)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self) -> None:
        await self._send(_head())
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._parts:
                data = b"".join(self._parts)
                self._parts.clear()
                self._size = 0
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                if self._seat is not None and self._seat.paused and not self._seat.closed:
                    self._hub.resume(self._seat)
            if self._ended:
                await self._send({"type": "http.response.body", "body": b""})
                return


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _head() -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(HEADERS)}


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
