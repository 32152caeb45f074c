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

from deskwire.kit.uvicorn_internals import OFFER, Offer
from deskwire.realtime.hub import Hub
from deskwire.realtime.subscription import Draining, Outlet, Seat

SEND_BYTES = 32 * 1024  # kernel's part; left alone it grows to 1.5 MB for a reader who stopped
BUFFER_BYTES = 16 * 1024  # our part of what is not sent yet; then the seat stands still
END_WITHIN = 0.8  # s for a reader to take its goodbye; a drain shall not last a second
UNANSWERED_MS = 90_000  # ms without an acknowledgement; then the other side is not there any more


class Taken(Exception):
    """Told to uvicorn's protocol: the connection is not lost, but not its own any more."""


class TakeoverProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which offers each request its connection. `Config(http=…)` takes it."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        scope, cycle = self.scope, self.cycle
        if cycle is not None and cycle.scope is scope:
            offer = self.transport, weakref.ref(cycle)
            scope["extensions"] = {OFFER: offer}  # type: ignore[dict-item]


class TakenOutlet(asyncio.Protocol):
    """The way out over a transport of its own. Nothing a client still says is read."""

    __slots__ = ("_hub", "_is_full", "_seat", "sink")

    def __init__(self, hub: Hub, transport: asyncio.Transport) -> None:
        self.sink = transport
        self._hub = hub
        self._seat: Seat | None = None
        self._is_full = False  # before there was a seat: an answer before this one still waits

    def carry(self, seat: Seat) -> None:
        """Be the way out of `seat` from now on."""
        self._seat = seat
        if self._is_full:
            self._hub.pause(seat)

    def write(self, data: bytes) -> None:
        self.sink.write(data)

    def end(self) -> None:
        if self.sink.is_closing():
            return  # asyncio's TLS breaks when it is closed twice
        waits = self.sink.get_write_buffer_size() > 0
        self.sink.close()  # sends what waits, and may wait for its reader for ever
        if waits:
            asyncio.get_running_loop().call_later(END_WITHIN, self.sink.abort)

    def abort(self) -> None:
        self.sink.abort()

    # What the transport says

    def pause_writing(self) -> None:
        self._is_full = True
        if self._seat is not None:
            self._hub.pause(self._seat)

    def resume_writing(self) -> None:
        self._is_full = False
        if self._seat is not None and not self._seat.closed:
            self._hub.resume(self._seat)

    def data_received(self, data: bytes) -> None:
        """A request that was pipelined, a body: answered by nothing."""

    def eof_received(self) -> None:
        """Half closed is gone: a closed tab must not hold its seat until the next write."""
        self._leave()
        self.sink.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def _leave(self) -> None:
        if self._seat is not None:
            self._hub.leave(self._seat)
            self._seat = None  # or the two would be a ring for the collector


async def take(
    offer: Offer, send: Send, head: Message, hub: Hub, join: Callable[[Outlet], Seat]
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
    await send(head)
    cycle.disconnected = True  # so the request's task may end with its answer unfinished
    if transport.is_closing():
        return
    protocol = cast(TakeoverProtocol, transport.get_protocol())
    outlet = TakenOutlet(hub, transport)
    transport.set_protocol(outlet)
    connections = cast(set[Any], protocol.connections)
    connections.add(_Drain(hub, connections))
    protocol.connection_lost(Taken())  # frees what the request held and does not close
    transport.set_write_buffer_limits(high=BUFFER_BYTES)
    _bound(transport.get_extra_info("socket"))
    _forget_waiting(protocol)
    transport.resume_reading()  # a pipelined request had paused it: its end would not be seen
    try:
        outlet.carry(join(outlet))
    except Draining:
        outlet.end()


def _forget_waiting(protocol: HttpToolsProtocol) -> None:
    """Requests behind the stream will not be answered; each would be a ring for the collector."""
    for cycle, _ in protocol.pipeline:
        cycle.on_response = _do_nothing
    protocol.pipeline.clear()


def _do_nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Drain:
    """Stands in uvicorn's set of connections for all the taken ones; there is one for each hub.

    uvicorn tells every connection of a shutdown before it waits for the last of them to end. (From
    Python 3.12 on asyncio's own server waits for the taken ones too: without this, for ever.)
    """

    hub: Hub
    connections: set[Any] = field(compare=False, repr=False)

    def shutdown(self) -> None:
        self.connections.discard(self)
        self.hub.drain()


def _bound(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)
