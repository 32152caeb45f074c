"""Forms with files, read part by part as they arrive: nothing of a file is held or spooled here."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import N_, gettext

MAX_PARTS = 200  # of one form; the largest has thirty
HEAD_BYTES = 8 * 1024  # of one part's headers; a file name has at most a few hundred
BROKEN = N_("The form did not arrive whole. Send it again.")

Kind = Literal["name", "value", "headed", "body", "over", "end"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form; `file_name` is None where it is a plain field."""

    name: str
    file_name: str | None
    chunks: AsyncIterator[bytes]


class Multipart:
    """The parts of a form. Each one's chunks are read before the next part."""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not boundary:
            raise Invalid(gettext(BROKEN))
        self._stream = stream
        self._seen: deque[tuple[Kind, bytes]] = deque()
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._see("name", data[start:end]),
                "on_header_value": lambda data, start, end: self._see("value", data[start:end]),
                "on_headers_finished": lambda: self._see("headed"),
                "on_part_data": lambda data, start, end: self._see("body", data[start:end]),
                "on_part_end": lambda: self._see("over"),
                "on_end": lambda: self._see("end"),
            },
        )

    async def parts(self) -> AsyncIterator[Part]:
        """Every part in turn. Raises Invalid where the form breaks off or is none."""
        for _ in range(MAX_PARTS):
            head = await self._read_head()
            if head is None:
                return
            yield Part(*_parse_head(head), self._read_body())
        raise Invalid(gettext("A form may have at most %(most)s fields.", most=MAX_PARTS))

    async def _read_head(self) -> list[tuple[Kind, bytes]] | None:
        """The headers of the next part, as they came; None after the last."""
        found: list[tuple[Kind, bytes]] = []
        while True:
            kind, data = await self._next()
            if kind == "headed":
                return found
            if kind == "end":
                return None
            if kind in ("name", "value"):
                found.append((kind, data))
            if sum(len(each) for _, each in found) > HEAD_BYTES:
                raise Invalid(gettext(BROKEN))

    async def _read_body(self) -> AsyncIterator[bytes]:
        while True:
            kind, data = await self._next()
            if kind != "body":
                return
            yield data

    async def _next(self) -> tuple[Kind, bytes]:
        while not self._seen:
            try:
                self._parser.write(await anext(self._stream))
            except (StopAsyncIteration, FormParserError):
                raise Invalid(gettext(BROKEN)) from None
        return self._seen.popleft()

    def _see(self, kind: Kind, data: bytes = b"") -> None:
        self._seen.append((kind, data))


def _parse_head(head: list[tuple[Kind, bytes]]) -> tuple[str, str | None]:
    """The name of the field and of the file. The same header may come in several pieces."""
    lines: list[list[bytes]] = []
    before: Kind = "value"
    for kind, data in head:
        if kind == "name" and before == "value":
            lines.append([b"", b""])
        if lines:
            lines[-1][kind == "value"] += data
        before = kind
    told = {name.strip().lower(): value for name, value in lines}
    options = parse_options_header(told.get(b"content-disposition", b""))[1]
    name, file_name = options.get(b"name", b""), options.get(b"filename")
    return _text(name), None if file_name is None else _text(file_name)


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
