"""Close connections that do not send their request headers in time (slowloris).

uvicorn has no such timeout. Requests pay nothing for this one: a periodic check goes over the
connections (streams have been taken over and are no longer among them) and records which ones wait
for request headers, and after which response. One that still waits after the same response when
the timeout has passed is closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any
from weakref import WeakKeyDictionary, ref

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEADER_TIMEOUT = 10.0  # s; a proxy sends headers in one packet, a phone on a train within 1 s
CHECK_TICKS = 20  # uvicorn ticks between checks; it ticks ten times a second
TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

# The cycle of the previous response, weakly referenced, or it would outlive its request.
PreviousCycle = ref[RequestResponseCycle] | None


class HeaderTimeout:
    """Check `connections`, uvicorn's own set, on every call of `close_expired`.

    `timeout` and `clock` are in seconds.
    """

    def __init__(
        self,
        connections: Collection[Any],
        timeout: float = HEADER_TIMEOUT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections = connections
        self._timeout = timeout
        self._clock = clock
        self._waiting: WeakKeyDictionary[HttpToolsProtocol, tuple[PreviousCycle, float]]
        self._waiting = WeakKeyDictionary()

    def close_expired(self) -> None:
        """Close the connections whose request headers are overdue."""
        now, before = self._clock(), self._waiting
        self._waiting = WeakKeyDictionary()
        for connection in list(self._connections):
            if not _is_waiting_for_headers(connection):
                continue
            cycle = connection.cycle
            after, since = before.get(connection, (None, now))
            if (after and after()) is not cycle:
                since = now
            if now - since >= self._timeout:
                _close_connection(connection)
            else:
                self._waiting[connection] = (ref(cycle) if cycle else None, since)


def _is_waiting_for_headers(connection: object) -> bool:
    """Whether the connection has sent part of its request headers, or nothing at all yet.

    uvicorn itself closes idle keep-alive connections; but its timer ends with the first byte, even
    if that is half a header or an empty line.
    """
    return (
        isinstance(connection, HttpToolsProtocol)
        and (connection.cycle is None or connection.cycle.response_complete)
        and connection.timeout_keep_alive_task is None
        and not connection.transport.is_closing()
    )


def _close_connection(connection: HttpToolsProtocol) -> None:
    has_started_request = connection.scope is not None and (
        connection.cycle is None or connection.scope is not connection.cycle.scope
    )
    if has_started_request:  # a preconnected browser would take a 408 for its next response
        connection.transport.write(TIMEOUT_RESPONSE)
    connection.transport.close()
