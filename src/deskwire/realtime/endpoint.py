"""Serve `text/event-stream`: identify the caller and subscribe a writer to the hub.

Where the server offers its connection, the stream takes it over (`uvicorn_takeover.py`); elsewhere
it is an ordinary ASGI response. Both write the same frames, and neither holds a database session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Send
from starlette.types import Scope as Request

from deskwire.kit.uvicorn_internals import read_offer
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Caller, StreamScope, Subscription, Transport, Writer
from deskwire.realtime.uvicorn_takeover import CLOSE_TIMEOUT, take_over_connection

MAX_BUFFERED_BYTES = 64 * 1024  # bytes accepted but not sent; beyond it the stream is paused

STREAM_HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # or nginx buffers the frames
    (b"connection", b"close"),
)

Identify = Callable[[Request], Awaitable[Caller | None]]


class StreamEndpoint:
    """The endpoint of a scope: `/api/events` (all), `/api/guilds/events`, `/api/requests/events`.

    `identify` may refuse the request by raising, before anything is sent.
    """

    def __init__(self, scope: StreamScope, hub: Callable[[], Hub], identify: Identify) -> None:
        self._scope: StreamScope = scope
        self._hub = hub
        self._identify = identify

    async def __call__(self, request: Request, receive: Receive, send: Send) -> None:
        if request["method"] not in ("GET", "HEAD"):
            await _respond(send, 405, b"Method Not Allowed", (b"allow", b"GET, HEAD"))
            return
        caller = await self._identify(request)
        if caller is None:
            await _respond(send, 401, b"Unauthorized")
            return
        if request["method"] == "HEAD":
            await send(_response_start())
            await send({"type": "http.response.body"})
            return
        hub = self._hub()
        if hub.is_draining:
            await _respond(send, 503, b"Restarting", (b"retry-after", b"1"))
            return
        subscribe = partial(
            hub.subscribe, caller, self._scope, last_event_id=_read_last_event_id(request)
        )
        if offer := read_offer(request):
            await take_over_connection(offer, send, _response_start(), hub, subscribe)
        else:
            await AsgiWriter(hub, send).run(receive, subscribe)


class AsgiWriter:
    """Write a stream through ASGI `send`, which waits while the connection is full."""

    def __init__(self, hub: Hub, send: Send) -> None:
        self._subscription: Subscription | None = None
        self._hub = hub
        self._send = send
        self._parts: list[bytes] = []
        self._size = 0
        self._has_data = asyncio.Event()
        self._ended = False
        self._aborted = asyncio.Event()  # do not wait for the client any longer

    @property
    def transport(self) -> Transport:
        return self

    def write(self, data: bytes) -> None:
        """Accept `data`, and pause the stream once too much of it is unsent."""
        self._parts.append(data)
        self._size += len(data)
        self._has_data.set()
        if (
            self._size >= MAX_BUFFERED_BYTES
            and self._subscription is not None
            and not self._subscription.is_paused
        ):
            self._hub.pause(self._subscription)

    def end(self) -> None:
        self._ended = True
        self._has_data.set()
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.abort)

    def abort(self) -> None:
        self._aborted.set()

    async def run(self, receive: Receive, subscribe: Callable[[Writer], Subscription]) -> None:
        """Subscribe, and send until the stream is ended or aborted, or the client disconnects."""
        self._subscription = subscribe(self)
        endings = (self._forward(), _wait_for_disconnect(receive), self._aborted.wait())
        tasks = [asyncio.create_task(ending) for ending in endings]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.unsubscribe(self._subscription)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _forward(self) -> None:
        await self._send(_response_start())
        while True:
            await self._has_data.wait()
            self._has_data.clear()
            while self._parts:
                data = b"".join(self._parts)
                self._parts.clear()
                self._size = 0
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
                if (
                    self._subscription is not None
                    and self._subscription.is_paused
                    and not self._subscription.is_closed
                ):
                    self._hub.resume(self._subscription)
            if self._ended:
                await self._send({"type": "http.response.body", "body": b""})
                return


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _response_start() -> Message:
    return {"type": "http.response.start", "status": 200, "headers": list(STREAM_HEADERS)}


def _read_last_event_id(request: Request) -> str | None:
    # The header wins: an EventSource reconnects to the same URL, with its old `after`.
    for name, value in request["headers"]:
        if name == b"last-event-id":
            return str(value.decode("latin-1"))
    after = parse_qs(request["query_string"].decode("latin-1")).get("after")
    return after[0] if after else None


async def _respond(
    send: Send, status: int, body: bytes, *extra_headers: tuple[bytes, bytes]
) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *extra_headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
