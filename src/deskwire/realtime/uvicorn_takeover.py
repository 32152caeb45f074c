"""Detach a stream's socket from uvicorn once the response headers are sent (decision 0016).

uvicorn serves a request with a task, a cycle, a parser and two events, and keeps them all as long
as the response lasts. A stream needs none of them: the hub writes directly to the transport.

    request → uvicorn's protocol → app → take_over_connection sends the headers
            → set_protocol(TransportWriter)

`take_over_connection` and `kit/uvicorn_internals.py` are all that relies on uvicorn's internals; a
test fails when the pinned version changes any of them.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskwire.kit.head_limit import HeadLimitProtocol
from deskwire.kit.uvicorn_internals import EXTENSION_KEY, TakeoverOffer
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Draining, Subscription, Writer

SEND_BUFFER_BYTES = 32 * 1024  # in the kernel; autotuning grows it to 1.5 MB for a stalled reader
WRITE_BUFFER_BYTES = 16 * 1024  # bytes not handed to the kernel; beyond it the stream is paused
CLOSE_TIMEOUT = 0.8  # s for the client to read its goodbye; a drain must take less than a second
TCP_USER_TIMEOUT_MS = 90_000  # ms without an acknowledgement before the peer counts as gone


class ConnectionTakenOver(Exception):
    """Given to uvicorn's protocol: the connection is not lost, but no longer uvicorn's."""


class TakeoverProtocol(HeadLimitProtocol):
    """uvicorn's HTTP protocol, offering each request its connection; for `Config(http=…)`."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        scope, cycle = self.scope, self.cycle
        if cycle is not None and cycle.scope is scope:
            offer = self.transport, weakref.ref(cycle)
            scope["extensions"] = {EXTENSION_KEY: offer}  # type: ignore[dict-item]


class TransportWriter(asyncio.Protocol):
    """Write a stream directly to its transport. Anything the client still sends is ignored."""

    __slots__ = ("_hub", "_is_full", "_subscription", "transport")

    def __init__(self, hub: Hub, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._hub = hub
        self._subscription: Subscription | None = None
        self._is_full = False  # possible before `attach`: an earlier response may still wait

    def attach(self, subscription: Subscription) -> None:
        """Become the writer of `subscription`."""
        self._subscription = subscription
        if self._is_full:
            self._hub.pause(subscription)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def end(self) -> None:
        if self.transport.is_closing():
            return  # closing twice breaks asyncio's TLS
        has_unsent = self.transport.get_write_buffer_size() > 0
        self.transport.close()  # sends the rest first, and may wait for the client for ever
        if has_unsent:
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.transport.abort)

    def abort(self) -> None:
        self.transport.abort()

    def pause_writing(self) -> None:
        self._is_full = True
        if self._subscription is not None:
            self._hub.pause(self._subscription)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._subscription is not None and not self._subscription.is_closed:
            self._hub.resume(self._subscription)

    def data_received(self, data: bytes) -> None:
        """Ignore a pipelined request or a body."""

    def eof_received(self) -> None:
        """Close on half-close: a closed tab must not keep its stream until the next write."""
        self._unsubscribe()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unsubscribe()

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._hub.unsubscribe(self._subscription)
            self._subscription = None  # or the two are a reference cycle


async def take_over_connection(
    offer: TakeoverOffer,
    send: Send,
    response_start: Message,
    hub: Hub,
    subscribe: Callable[[Writer], Subscription],
) -> None:
    """Send `response_start` through ASGI, then take over the connection and subscribe.

    The body has neither a length nor chunks; it ends with the connection (RFC 9112, 6.3), which
    HTTP/1.0 clients understand as well.
    """
    transport, cycle = offer[0], offer[1]()
    if cycle is None:
        return
    cycle.chunked_encoding = False
    cycle.keep_alive = False
    await send(response_start)
    cycle.disconnected = True  # so that the request's task may end before its response does
    if transport.is_closing():
        return
    protocol = cast(TakeoverProtocol, transport.get_protocol())
    writer = TransportWriter(hub, transport)
    transport.set_protocol(writer)
    connections = cast(set[Any], protocol.connections)
    connections.add(_ShutdownHook(hub, connections))
    protocol.connection_lost(ConnectionTakenOver())  # frees the request, closes nothing
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    _set_socket_limits(transport.get_extra_info("socket"))
    _discard_pipelined(protocol)
    transport.resume_reading()  # a pipelined request pauses it: EOF would not be seen
    try:
        writer.attach(subscribe(writer))
    except Draining:
        writer.end()


def _discard_pipelined(protocol: HttpToolsProtocol) -> None:
    """Drop requests pipelined behind the stream; each would be a reference cycle."""
    for cycle, _ in protocol.pipeline:
        cycle.on_response = _do_nothing
    protocol.pipeline.clear()


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class _ShutdownHook:
    """Represent all taken-over connections of a hub in uvicorn's set of connections.

    On shutdown, uvicorn calls every connection before it waits for the last of them to end. (From
    Python 3.12 on, asyncio's own server waits for the taken-over ones too: without this, for ever.)
    """

    hub: Hub
    connections: set[Any] = field(compare=False, repr=False)

    def shutdown(self) -> None:
        self.connections.discard(self)
        self.hub.drain()


def _set_socket_limits(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
