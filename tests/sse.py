"""A reader of server-sent events over a bare socket, which sees what no EventSource shows.

with connect(server.port, "/api/events", cookie) as stream:
    assert stream.next().told["type"] == "connected"
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

PATIENCE = 10.0  # s for a frame that must come


@dataclass(frozen=True, slots=True)
class Sent:
    """One block of a stream: an event, a control frame, a comment or a `retry`."""

    fields: dict[str, str] = field(default_factory=dict)
    comment: str = ""

    @property
    def name(self) -> str:
        """`event`'s word; what has none is a message."""
        return self.fields.get("event", "message")

    @property
    def id(self) -> str:
        return self.fields.get("id", "")

    @property
    def is_beat(self) -> bool:
        """Whether it only says that the stream is alive."""
        return self.name == "tick" or self.comment == "heartbeat"

    @property
    def told(self) -> dict[str, Any]:
        """The data; nothing where there is none."""
        told: dict[str, Any] = json.loads(self.fields.get("data", "{}"))
        return told

    @property
    def type(self) -> str:
        """The type of an event, `connected`, or nothing."""
        return str(self.told.get("type", ""))


class Ended(Exception):
    """The server has ended the stream."""


class Stream:
    """One connection. It remembers its place, like an EventSource."""

    def __init__(self, port: int, head: bytes, receive_bytes: int | None) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []  # names in lower case
        self.cursor = ""
        self.heard: list[Sent] = []
        self._socket = socket.socket()
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(PATIENCE)
        self._raw = b""  # received
        self._buffer = b""  # of it, the body without its chunks
        self._is_chunked = False
        try:
            self._socket.connect(("127.0.0.1", port))
            self._socket.sendall(head)
            self._read_head()
        except BaseException:
            self._socket.close()
            raise

    def next(self, within: float = PATIENCE) -> Sent:
        """The next block but heartbeats and ticks, which may come at any time.

        Ended: there is none; TimeoutError: not within that many seconds.
        """
        return self.until(lambda sent: not sent.is_beat, within)[-1]

    def until(self, matches: Callable[[Sent], bool], within: float = PATIENCE) -> list[Sent]:
        """The blocks up to and with the first that matches; beats only where one does."""
        found: list[Sent] = []
        deadline = time.monotonic() + within
        while True:
            sent = self.read(deadline - time.monotonic())
            if matches(sent):
                return [*found, sent]
            if not sent.is_beat:
                found.append(sent)

    def read(self, within: float = PATIENCE) -> Sent:
        """The next block, whatever it is."""
        sent = _parse(self._take(b"\n\n", within).decode())
        self.cursor = sent.id or self.cursor
        self.heard.append(sent)
        return sent

    def until_named(self, name: str, within: float = PATIENCE) -> Sent:
        """The next frame with `event: name`."""
        return self.until(lambda sent: sent.name == name, within)[-1]

    def until_type(self, type_: str, within: float = PATIENCE) -> Sent:
        """The next event of a type."""
        return self.until(lambda sent: sent.type == type_, within)[-1]

    def rest(self, within: float = PATIENCE) -> list[Sent]:
        """Everything until the server ends the stream, which it must."""
        found: list[Sent] = []
        deadline = time.monotonic() + within
        while True:
            try:
                found.append(self.next(deadline - time.monotonic()))
            except Ended:
                return found

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def body(self) -> bytes:
        """What an answer that is no stream says."""
        length = int(dict(self.headers)["content-length"])
        while len(self._raw) < length:
            self._raw += self._receive(PATIENCE)
        return self._raw

    def _read_head(self) -> None:
        while b"\r\n\r\n" not in self._raw:
            self._raw += self._receive(PATIENCE)
        head, _, self._raw = self._raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        pairs = [line.partition(":") for line in lines]
        self.headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        self._is_chunked = ("transfer-encoding", "chunked") in self.headers

    def _take(self, end: bytes, within: float) -> bytes:
        deadline = time.monotonic() + within
        while end not in self._buffer:
            self._fill(deadline - time.monotonic())
        part, _, self._buffer = self._buffer.partition(end)
        return part

    def _fill(self, within: float) -> None:
        """Move what has arrived, or arrives next, into the buffer."""
        if not self._raw:
            self._raw = self._receive(within)
        if not self._is_chunked:
            self._buffer, self._raw = self._buffer + self._raw, b""
            return
        deadline = time.monotonic() + within
        while (chunk := _first_chunk(self._raw)) is None:
            self._raw += self._receive(deadline - time.monotonic())
        if chunk == b"":
            raise Ended
        self._raw = self._raw[self._raw.index(b"\r\n") + 2 + len(chunk) + 2 :]
        self._buffer += chunk

    def _receive(self, within: float) -> bytes:
        self._socket.settimeout(max(within, 0.001))
        try:
            data = self._socket.recv(64 * 1024)
        except ConnectionResetError:
            raise Ended from None
        if not data:
            raise Ended
        return data


def connect(
    port: int,
    path: str,
    cookie: str = "",
    last_event_id: str | None = None,
    *,
    method: str = "GET",
    receive_bytes: int | None = None,
) -> Stream:
    """Ask for a stream and read the head of the answer, whatever its status.

    `receive_bytes`: the size of this side's buffer, so that a reader who stops is soon noticed.
    """
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: text/event-stream"]
    lines += [f"Cookie: {cookie}"] if cookie else []
    lines += [f"Last-Event-ID: {last_event_id}"] if last_event_id is not None else []
    return Stream(port, ("\r\n".join(lines) + "\r\n\r\n").encode(), receive_bytes)


def _first_chunk(raw: bytes) -> bytes | None:
    """The first chunk of a chunked body, once it is all there (RFC 9112, 7.1)."""
    size, found, rest = raw.partition(b"\r\n")
    if not found:
        return None
    length = int(size, 16)
    return rest[:length] if len(rest) >= length + 2 else None


def _parse(block: str) -> Sent:
    """WHATWG HTML, 9.2.6; of a repeated field the last one counts, `data` apart."""
    fields: dict[str, str] = {}
    comments: list[str] = []
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            comments.append(value)
        elif name == "data" and "data" in fields:
            fields["data"] += "\n" + value
        else:
            fields[name] = value
    return Sent(fields, "\n".join(comments))
