"""Detect the media type of an uploaded file from its content, and sanitize its name."""

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

SIGNATURE_BYTES = 8192  # bytes searched for a signature; a tar's is at 257, most are at 0
MIN_CONFIDENCE = 0.4  # puremagic's, 0.1 per byte matched: a plain text may begin with `BM`
MAX_NAME_LENGTH = 200  # characters; file systems take 255 bytes, and a name is often ASCII
MAX_EXTENSION_LENGTH = 20  # characters of an extension that survives when a name is cut
OCTET_STREAM = "application/octet-stream"
PLAIN_TEXT = "text/plain"
CONTROL_CHARACTERS = bytes(c for c in (*range(32), 127) if c not in b"\t\n\r\f")
IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
ZIP_SIGNATURE = b"PK\x03\x04"
ZIP_MIMETYPE_MEMBER = re.compile(rb"PK.{28}mimetype(application/[a-z0-9.+-]{1,80})", re.DOTALL)
OFFICE_TYPES = {
    b"word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    b"xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    b"ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
# Served with their own type. Anything a browser might run or render in our origin is served as
# bytes.
SAFE_INLINE_TYPES = IMAGE_TYPES | {"application/pdf", "application/zip", PLAIN_TEXT}

logger = logging.getLogger(__name__)


class FileInspector:
    """Compute size, SHA-256 and media type of a file while its chunks pass through."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._digest = hashlib.sha256()
        self._prefix = b""
        self._text_decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder(
            "utf-8"
        )()

    async def inspect(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the same chunks. Raises TooLarge as soon as there are more than `limit` bytes."""
        async for chunk in chunks:
            self._inspect_chunk(chunk)
            yield chunk
        self._check_text(b"", final=True)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def type(self) -> str:
        """The media type; final once all chunks have passed."""
        return detect_type(self._prefix, is_text=self._text_decoder is not None)

    def _inspect_chunk(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self._limit:
            raise build_too_large_error(self._limit)
        self._digest.update(chunk)
        self._prefix += chunk[: SIGNATURE_BYTES - len(self._prefix)]
        self._check_text(chunk)

    def _check_text(self, chunk: bytes, *, final: bool = False) -> None:
        if self._text_decoder is None:
            return
        try:
            self._text_decoder.decode(chunk, final)
        except UnicodeDecodeError:
            self._text_decoder = None
        if len(chunk.translate(None, CONTROL_CHARACTERS)) != len(chunk):
            self._text_decoder = None


def build_too_large_error(limit: int) -> TooLarge:
    """Build the error for a file of more than `limit` bytes."""
    return TooLarge(
        gettext("A file can be at most %(limit)s MB. Choose a smaller one.", limit=limit // 1000000)
    )


def detect_type(prefix: bytes, *, is_text: bool) -> str:
    """Detect the media type of a file from its `prefix`; `is_text`: all of it is plain UTF-8."""
    if prefix.startswith(ZIP_SIGNATURE):
        return _detect_zip_type(prefix)
    min_confidence = MIN_CONFIDENCE if is_text else 0
    matches = (each for each in _match_signatures(prefix) if each.confidence >= min_confidence)
    known = next((each.mime_type for each in matches if each.mime_type), "")
    return known or (PLAIN_TEXT if is_text else OCTET_STREAM)


def _detect_zip_type(prefix: bytes) -> str:
    """Recognize office documents, which are ZIP archives, by their first members."""
    if member := ZIP_MIMETYPE_MEMBER.match(prefix):
        return member[1].decode()
    office_types = (kind for folder, kind in OFFICE_TYPES.items() if folder in prefix)
    return next(office_types, "application/zip")


def _match_signatures(prefix: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(prefix)
    except (puremagic.PureError, ValueError):  # no signature matches, or the file is empty
        return []
    except Exception:  # puremagic parses untrusted input and may fail in any way
        logger.exception("could not detect the type of a file")
        return []


def sanitize_filename(raw: str) -> str:
    """Return a name without folders, invisible characters or text direction marks, not too long."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", raw))[-1]
    # C: control and format characters, surrogates, unassigned; Zl and Zp break lines.
    visible = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    tidy = " ".join(visible.split()).strip(". ")
    return _shorten_name(tidy) or "file"


def _shorten_name(name: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > MAX_EXTENSION_LENGTH:
        return name[:MAX_NAME_LENGTH]
    return f"{stem[: MAX_NAME_LENGTH - len(extension) - 1]}.{extension}"
