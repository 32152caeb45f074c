"""Bound the head of a request in bytes: its line, its header fields and its trailers.

uvicorn collects header lines without a limit, and sending them takes no account.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024  # bytes; browsers send 2 kB, and no proxy in common use passes more
HEAD_TOO_LARGE = (
    STATUS_LINE[431] + b"connection: close\r\ncontent-length: 0\r\n\r\n"
)  # Request Header Fields Too Large (RFC 6585, 5)


class _HeadTooLarge(Exception):
    """Ends the parsing of a request."""


class HeadLimitProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a bounded head; for `Config(http=…)`."""

    _head_bytes = 0  # bytes received since the request began, or since a piece of its body

    def data_received(self, data: bytes) -> None:
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_headers_complete(self) -> None:
        # What was counted may hold a body as well: it arrives in pieces of up to 256 KiB.
        if self._head_bytes > MAX_HEAD_BYTES and self._measure_head() > MAX_HEAD_BYTES:
            raise _HeadTooLarge  # the parser turns it into its own error
        self._head_bytes = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _measure_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _refuse(self) -> None:
        self.transport.write(HEAD_TOO_LARGE)
        self.transport.close()
