"""HTTP/1.1 over a bare socket: what a load client needs of it, and nothing that costs time.

Written for the contestants here: every answer has a content-length and fits into memory.
"""

from __future__ import annotations

import re
import socket

HOST = "127.0.0.1"
TIMEOUT = 20.0  # s; a server that is silent for longer has failed the run
CHUNK_BYTES = 256 * 1024  # bytes read at once

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class BrokenConnection(Exception):
    """The other side closed the connection, or answered what was not expected."""


def connect(port: int) -> socket.socket:
    """A connection that sends at once what it is given."""
    connection = socket.create_connection((HOST, port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def build_request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def read_status(received: bytes) -> int | None:
    """The status of a complete answer, or None while some of it is missing."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return None
    found = _CONTENT_LENGTH.search(received, 0, end + 2)
    if found is None:
        raise BrokenConnection(f"an answer without a length: {received[:80]!r}")
    return int(received[9:12]) if len(received) >= end + 4 + int(found[1]) else None


def fetch(connection: socket.socket, request_bytes: bytes) -> tuple[int, bytes]:
    """Send a request and wait for the whole answer: its status and all its bytes."""
    connection.sendall(request_bytes)
    received = b""
    while (status := read_status(received)) is None:
        received += _receive(connection)
    return status, received


def read_until(connection: socket.socket, marker: bytes, received: bytes = b"") -> bytes:
    """Read a stream up to and including `marker`; what came after it is returned."""
    while marker not in received:
        received += _receive(connection)
    return received.partition(marker)[2]


def _receive(connection: socket.socket) -> bytes:
    part = connection.recv(CHUNK_BYTES)
    if not part:
        raise BrokenConnection("the server closed the connection")
    return part
