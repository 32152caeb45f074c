"""Read multipart forms part by part as they arrive; no file is buffered or spooled to disk."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import N_, gettext

MAX_PARTS = 200  # parts of one form; the largest form has thirty
MAX_HEADER_BYTES = 8 * 1024  # bytes of one part's headers; a file name has at most a few hundred
INCOMPLETE_FORM = N_("The form arrived incomplete. Send it again.")

TokenKind = Literal["name", "value", "headers_end", "body", "part_end", "form_end"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; `file_name` is None for a plain field."""

    name: str
    file_name: str | None
    chunks: AsyncIterator[bytes]


class MultipartReader:
    """Iterate over the parts of a form; read each part's chunks before the next part.

    Raises Invalid if `content_type` names no boundary, or one that the parser refuses.
    """

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise Invalid(gettext(INCOMPLETE_FORM))
        self._stream = stream
        self._tokens: deque[tuple[TokenKind, bytes]] = deque()
        self._parser = self._create_parser(boundary)

    async def parts(self) -> AsyncIterator[Part]:
        """Yield the parts. Raises Invalid if the form is malformed, incomplete or too long."""
        for _ in range(MAX_PARTS):
            headers = await self._read_headers()
            if headers is None:
                return
            yield Part(*_parse_headers(headers), self._read_body())
        raise Invalid(gettext("A form can have at most %(most)s fields.", most=MAX_PARTS))

    def _create_parser(self, boundary: bytes) -> MultipartParser:
        push = self._push
        try:
            return MultipartParser(
                boundary,
                {
                    "on_header_field": lambda data, start, end: push("name", data[start:end]),
                    "on_header_value": lambda data, start, end: push("value", data[start:end]),
                    "on_headers_finished": lambda: push("headers_end"),
                    "on_part_data": lambda data, start, end: push("body", data[start:end]),
                    "on_part_end": lambda: push("part_end"),
                    "on_end": lambda: push("form_end"),
                },
            )
        except FormParserError:  # the boundary is longer than the parser accepts
            raise Invalid(gettext(INCOMPLETE_FORM)) from None

    async def _read_headers(self) -> list[tuple[TokenKind, bytes]] | None:
        """Read the header tokens of the next part; None after the last part."""
        tokens: list[tuple[TokenKind, bytes]] = []
        while True:
            kind, data = await self._next_token()
            if kind == "headers_end":
                return tokens
            if kind == "form_end":
                return None
            if kind in ("name", "value"):
                tokens.append((kind, data))
            if sum(len(data) for _, data in tokens) > MAX_HEADER_BYTES:
                raise Invalid(gettext(INCOMPLETE_FORM))

    async def _read_body(self) -> AsyncIterator[bytes]:
        while True:
            kind, data = await self._next_token()
            if kind != "body":
                return
            yield data

    async def _next_token(self) -> tuple[TokenKind, bytes]:
        while not self._tokens:
            try:
                self._parser.write(await anext(self._stream))
            except (StopAsyncIteration, FormParserError):
                raise Invalid(gettext(INCOMPLETE_FORM)) from None
        return self._tokens.popleft()

    def _push(self, kind: TokenKind, data: bytes = b"") -> None:
        self._tokens.append((kind, data))


def _parse_headers(headers: list[tuple[TokenKind, bytes]]) -> tuple[str, str | None]:
    """Return the names of the field and of its file. A name or value may span several tokens."""
    lines: list[list[bytes]] = []
    previous: TokenKind = "value"
    for kind, data in headers:
        if kind == "name" and previous == "value":
            lines.append([b"", b""])
        if lines:
            lines[-1][kind == "value"] += data
        previous = kind
    values = {name.strip().lower(): value for name, value in lines}
    options = parse_options_header(values.get(b"content-disposition", b""))[1]
    name, file_name = options.get(b"name", b""), options.get(b"filename")
    return _decode(name), None if file_name is None else _decode(file_name)


def _decode(data: bytes) -> str:
    return data.decode(errors="replace")
