"""Takeover: after its head, a stream's socket leaves ASGI and belongs to a seat (decision 0016).

uvicorn answers a request with a task, a cycle, a parser and two events, and keeps them all as long
as the answer lasts. A stream needs none of them: the hub writes straight to the transport.

    request → uvicorn's protocol → app → `take` sends the head → set_protocol(TakenOutlet)

What this relies on inside uvicorn stands in `take` and `reply`; a test fails when the pinned
version changes any of it.
"""

from __future__ import annotations

import asyncio
import socket
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.types import Message, Send
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
)

from deskwire.kit.uvicorn_internals import EXTENSION_KEY, TakeoverOffer
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Draining, Subscription, Writer

SEND_BUFFER_BYTES = 32 * 1024  # in the kernel; autotuned it grows to 1.5 MB for a stopped reader
WRITE_BUFFER_BYTES = 16 * 1024  # our part of what is not sent yet; then the seat stands still
CLOSE_TIMEOUT = 0.8  # s for a reader to take its goodbye; a drain shall not last a second
TCP_USER_TIMEOUT_MS = 90_000  # ms without an acknowledgement before the peer counts as gone


class ConnectionTakenOver(Exception):
    """Told to uvicorn's protocol: the connection is not lost, but not its own any more."""


class TakeoverProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which offers each request its connection. `Config(http=…)` takes it."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        scope, cycle = self.scope, self.cycle
        if cycle is not None and cycle.scope is scope:
            offer = self.transport, weakref.ref(cycle)
            scope["extensions"] = {EXTENSION_KEY: offer}  # type: ignore[dict-item]


class TransportWriter(asyncio.Protocol):
    """The way out over a transport of its own. Nothing a client still says is read."""

    __slots__ = ("_hub", "_is_full", "_subscription", "transport")

    def __init__(self, hub: Hub, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._hub = hub
        self._subscription: Subscription | None = None
        self._is_full = False  # before there was a seat: an answer before this one still waits

    def attach(self, subscription: Subscription) -> None:
        """Be the way out of `seat` from now on."""
        self._subscription = subscription
        if self._is_full:
            self._hub.pause(subscription)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def end(self) -> None:
        if self.transport.is_closing():
            return  # asyncio's TLS breaks when it is closed twice
        waits = self.transport.get_write_buffer_size() > 0
        self.transport.close()  # sends what waits, and may wait for its reader for ever
        if waits:
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT, self.transport.abort)

    def abort(self) -> None:
        self.transport.abort()

    # What the transport says

    def pause_writing(self) -> None:
        self._is_full = True
        if self._subscription is not None:
            self._hub.pause(self._subscription)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._subscription is not None and not self._subscription.closed:
            self._hub.resume(self._subscription)

    def data_received(self, data: bytes) -> None:
        """A request that was pipelined, a body: answered by nothing."""

    def eof_received(self) -> None:
        """Half closed is gone: a closed tab must not hold its seat until the next write."""
        self._unsubscribe()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unsubscribe()

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._hub.unsubscribe(self._subscription)
            self._subscription = None  # or the two would be a ring for the collector


async def take_over_connection(
    offer: TakeoverOffer,
    send: Send,
    response_start: Message,
    hub: Hub,
    subscribe: Callable[[Writer], Subscription],
) -> None:
    """Send `head` the ordinary way, then take the connection and a seat.

    The body has no length and no chunks; it ends with the connection (RFC 9112, 6.3), which
    HTTP/1.0 understands as well.
    """
    transport, cycle = offer[0], offer[1]()
    if cycle is None:
        return
    cycle.chunked_encoding = False
    cycle.keep_alive = False
    await send(response_start)
    cycle.disconnected = True  # so the request's task may end with its answer unfinished
    if transport.is_closing():
        return
    protocol = cast(TakeoverProtocol, transport.get_protocol())
    outlet = TransportWriter(hub, transport)
    transport.set_protocol(outlet)
    connections = cast(set[Any], protocol.connections)
    connections.add(_ShutdownHook(hub, connections))
    protocol.connection_lost(
        ConnectionTakenOver()
    )  # frees what the request held and does not close
    transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
    _set_socket_limits(transport.get_extra_info("socket"))
    _discard_pipelined(protocol)
    transport.resume_reading()  # a pipelined request had paused it: its end would not be seen
    try:
        outlet.attach(subscribe(outlet))
    except Draining:
        outlet.end()


def _discard_pipelined(protocol: HttpToolsProtocol) -> None:
    """Requests behind the stream will not be answered; each would be a ring for the collector."""
    for cycle, _ in protocol.pipeline:
        cycle.on_response = _do_nothing
    protocol.pipeline.clear()


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class _ShutdownHook:
    """Stands in uvicorn's set of connections for all the taken ones; there is one for each hub.

    uvicorn tells every connection of a shutdown before it waits for the last of them to end. (From
    Python 3.12 on asyncio's own server waits for the taken ones too: without this, for ever.)
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
