"""What an uploaded file is, by its content, and what it may be called."""

from __future__ import annotations

import codecs
import hashlib
import logging
import re
import unicodedata
from collections.abc import AsyncIterator

import puremagic

from deskwire.kit.errors import TooLarge
from deskwire.kit.i18n import gettext

HEAD = 8192  # bytes looked at for a signature; a tar's is at 257, most are at 0
CERTAIN = 0.4  # of puremagic's confidence, a tenth per byte: a text may well begin with `BM`
MAX_NAME = 200  # characters; file systems take 255 bytes, and a name is often ASCII
MAX_ENDING = 20  # characters that are kept of `.tar.gz` when a name is cut
UNKNOWN = "application/octet-stream"
PLAIN = "text/plain"
CONTROLS = bytes(c for c in (*range(32), 127) if c not in b"\t\n\r\f")
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
ZIP = b"PK\x03\x04"
TOLD_IN_ZIP = re.compile(rb"PK.{28}mimetype(application/[a-z0-9.+-]{1,80})", re.DOTALL)
OFFICE = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
# Served as what they are. Whatever a browser might run or render in ours is bytes to it.
HARMLESS = PICTURES | {"application/pdf", "application/zip", PLAIN}

logger = logging.getLogger(__name__)


class Seen:
    """Looks at a file while it passes: how long it is, its digest, and what it is."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._digest = hashlib.sha256()
        self._head = b""
        self._text: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Raises TooLarge as soon as there are more bytes than allowed."""
        async for chunk in chunks:
            self._look_at(chunk)
            yield chunk
        self._decode(b"", final=True)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def type(self) -> str:
        """Its media type, once all has passed."""
        return type_of(self._head, is_text=self._text is not None)

    def _look_at(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._limit:
            raise too_large(self._limit)
        self._digest.update(chunk)
        self._head += chunk[: HEAD - len(self._head)]
        self._decode(chunk)

    def _decode(self, chunk: bytes, *, final: bool = False) -> None:
        if self._text is None:
            return
        try:
            self._text.decode(chunk, final)
        except UnicodeDecodeError:
            self._text = None
        if len(chunk.translate(None, CONTROLS)) != len(chunk):
            self._text = None


def too_large(limit: int) -> TooLarge:
    """The refusal of a file of more than `limit` bytes."""
    return TooLarge(
        gettext("A file may have at most %(limit)s MB. Send a smaller one.", limit=limit // 1000000)
    )


def type_of(head: bytes, *, is_text: bool) -> str:
    """The media type of a file that begins with `head`; `is_text`: all of it is plain UTF-8."""
    if head.startswith(ZIP):
        return _type_in_zip(head)
    least = CERTAIN if is_text else 0
    found = [each for each in _signatures(head) if each.confidence >= least]
    known = next((each.mime_type for each in found if each.mime_type), "")
    return known or (PLAIN if is_text else UNKNOWN)


def _type_in_zip(head: bytes) -> str:
    """Documents are archives: which, their first members say."""
    if told := TOLD_IN_ZIP.match(head):
        return told[1].decode()
    known = (kind for folder, kind in OFFICE.items() if folder in head)
    return next(known, "application/zip")


def _signatures(head: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):  # nothing known, or nothing there
        return []
    except Exception:  # it parses what strangers made; whatever breaks it has no type
        logger.exception("a file broke the search for its type")
        return []


def clean_name(raw: str) -> str:
    """A name without folders, without signs that do not show or turn the text, not too long."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", raw))[-1]
    # C: control and format signs, surrogates, what is not assigned; Zl and Zp break lines.
    shown = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    tidy = " ".join(shown.split()).strip(". ")
    return _shortened(tidy) or "file"


def _shortened(name: str) -> str:
    if len(name) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > MAX_ENDING:
        return name[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"
