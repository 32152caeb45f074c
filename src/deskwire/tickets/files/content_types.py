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

SIGNATURE_BYTES = 8192  # bytes looked at for a signature; a tar's is at 257, most are at 0
MIN_CONFIDENCE = 0.4  # of puremagic's confidence, a tenth per byte: a text may well begin with `BM`
MAX_NAME_LENGTH = 200  # characters; file systems take 255 bytes, and a name is often ASCII
MAX_EXTENSION_LENGTH = 20  # characters that are kept of `.tar.gz` when a name is cut
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
# Served as what they are. Whatever a browser might run or render in ours is bytes to it.
SAFE_INLINE_TYPES = IMAGE_TYPES | {"application/pdf", "application/zip", PLAIN_TEXT}

logger = logging.getLogger(__name__)


class FileInspector:
    """Looks at a file while it passes: how long it is, its digest, and what it is."""

    def __init__(self, limit: int) -> None:
        self.size = 0
        self._limit = limit
        self._digest = hashlib.sha256()
        self._prefix = b""
        self._text_decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder(
            "utf-8"
        )()

    async def inspect(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks. Raises TooLarge as soon as there are more bytes than allowed."""
        async for chunk in chunks:
            self._inspect_chunk(chunk)
            yield chunk
        self._check_text(b"", final=True)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def type(self) -> str:
        """Its media type, once all has passed."""
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
    """The refusal of a file of more than `limit` bytes."""
    return TooLarge(
        gettext("A file may have at most %(limit)s MB. Send a smaller one.", limit=limit // 1000000)
    )


def detect_type(prefix: bytes, *, is_text: bool) -> str:
    """The media type of a file that begins with `head`; `is_text`: all of it is plain UTF-8."""
    if prefix.startswith(ZIP_SIGNATURE):
        return _detect_zip_type(prefix)
    least = MIN_CONFIDENCE if is_text else 0
    found = [each for each in _match_signatures(prefix) if each.confidence >= least]
    known = next((each.mime_type for each in found if each.mime_type), "")
    return known or (PLAIN_TEXT if is_text else OCTET_STREAM)


def _detect_zip_type(prefix: bytes) -> str:
    """Documents are archives: which, their first members say."""
    if told := ZIP_MIMETYPE_MEMBER.match(prefix):
        return told[1].decode()
    known = (kind for folder, kind in OFFICE_TYPES.items() if folder in prefix)
    return next(known, "application/zip")


def _match_signatures(prefix: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(prefix)
    except (puremagic.PureError, ValueError):  # nothing known, or nothing there
        return []
    except Exception:  # it parses what strangers made; whatever breaks it has no type
        logger.exception("a file broke the search for its type")
        return []


def sanitize_filename(raw: str) -> str:
    """A name without folders, without signs that do not show or turn the text, not too long."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", raw))[-1]
    # C: control and format signs, surrogates, what is not assigned; Zl and Zp break lines.
    shown = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    tidy = " ".join(shown.split()).strip(". ")
    return _shorten_name(tidy) or "file"


def _shorten_name(name: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > MAX_EXTENSION_LENGTH:
        return name[:MAX_NAME_LENGTH]
    return f"{stem[: MAX_NAME_LENGTH - len(ending) - 1]}.{ending}"
