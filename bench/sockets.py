"""Speak HTTP/1.1 over a bare socket: what a load client needs, and nothing that costs time.

Only for the bench's contestants: every response has a content-length and fits into memory.
"""

from __future__ import annotations

import re
import socket

HOST = "127.0.0.1"
TIMEOUT = 20.0  # s; a server that is silent for longer has failed the run
CHUNK_BYTES = 256 * 1024  # bytes read at once

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class BrokenConnection(Exception):
    """The server closed the connection, or sent an unexpected response."""


def connect(port: int) -> socket.socket:
    """Open a connection without delayed sends (TCP_NODELAY)."""
    connection = socket.create_connection((HOST, port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def build_request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """Build the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_status(received: bytes) -> int | None:
    """Return the status of a complete response, or None while some of it is missing."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    length = _CONTENT_LENGTH.search(received, 0, end + 2)
    if length is None:
        raise BrokenConnection(f"a response without a content-length: {received[:80]!r}")
    return int(received[9:12]) if len(received) >= end + 4 + int(length[1]) else None


def fetch(connection: socket.socket, request_bytes: bytes) -> tuple[int, bytes]:
    """Send a request and wait for the whole response; return its status and all its bytes."""
    connection.sendall(request_bytes)
    received = b""
    while (status := read_status(received)) is None:
        received += _receive(connection)
    return status, received


def read_until(connection: socket.socket, marker: bytes, received: bytes = b"") -> bytes:
    """Read a stream up to and including `marker`; return what was received after it."""
    while marker not in received:
        received += _receive(connection)
    return received.partition(marker)[2]


def _receive(connection: socket.socket) -> bytes:
    part = connection.recv(CHUNK_BYTES)
    if not part:
        raise BrokenConnection("the server closed the connection")
    return part
