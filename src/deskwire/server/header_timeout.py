"""Heads: a connection that does not finish asking is closed; uvicorn itself would wait for ever.

Requests pay nothing for it. Each look goes over the connections (streams are not among them any
more) and notes which of them wait for the head of a request, and after which answer: one that still
waits after the same answer some looks later has had its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any
from weakref import WeakKeyDictionary, ref

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEADER_TIMEOUT = 10.0  # s; a proxy sends headers in one packet, a phone on a train within 1 s
CHECK_TICKS = 20  # of uvicorn's clock, which ticks ten times a second
TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"

PreviousCycle = (
    ref[RequestResponseCycle] | None
)  # the answer before; weak, or it would outlive its request


class HeaderTimeout:
    """Looks at `connections`, uvicorn's own set, whenever `look` is called."""

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
        """Close whoever has waited for too long with the rest of a head."""
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
    """Whether the next thing to come is a head. uvicorn closes by itself what was asked nothing
    since the last answer; its timer ends with the first byte, be it half a head or an empty line.
    """
    return (
        isinstance(connection, HttpToolsProtocol)
        and (connection.cycle is None or connection.cycle.response_complete)
        and connection.timeout_keep_alive_task is None
        and not connection.transport.is_closing()
    )


def _close_connection(connection: HttpToolsProtocol) -> None:
    has_begun = connection.scope is not None and (
        connection.cycle is None or connection.scope is not connection.cycle.scope
    )
    if has_begun:  # a browser that only connected ahead would take it for the answer to come
        connection.transport.write(TIMEOUT_RESPONSE)
    connection.transport.close()
