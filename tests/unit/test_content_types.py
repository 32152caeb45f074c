"""Test that we decide the type and name of a file, not its sender."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.kit.errors import TooLarge
from deskwire.tickets.files.content_types import MAX_NAME_LENGTH, FileInspector, sanitize_filename


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("crane.jpg", "crane.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\bo\\crane.jpg", "crane.jpg"),
        ("..", "file"),
        ("", "file"),
        ("a\0b\r\nc.txt", "abc.txt"),
        ("gpj\u202eexe.txt", "gpjexe.txt"),
        ("\ud800", "file"),
        ("two\u2028lines.txt", "two lines.txt"),
        ("u\u0308.txt", "ü.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("." + "x" * 300, "x" * 200),
    ],
)
def test_a_file_name_is_cleaned(raw: str, name: str) -> None:
    assert sanitize_filename(raw) == name


@given(st.text(max_size=400))
def test_no_cleaned_file_name_is_dangerous(raw: str) -> None:
    name = sanitize_filename(raw)

    assert 0 < len(name) <= MAX_NAME_LENGTH
    assert name not in (".", "..")
    assert not set(name) & set("/\\\0\n\r")
    assert not any(unicodedata.category(c)[0] == "C" for c in name)


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        (b"", "text/plain"),
        ("Grüße,\n\tMo\r\n".encode(), "text/plain"),
        (b"BM is a fine name", "text/plain"),
        (b"a,b\n1,2\n", "text/plain"),
        (b"bell \x07", "application/octet-stream"),
        ("cut ü".encode()[:-1], "application/octet-stream"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "image/jpeg"),
        (b"GIF89a\0\0", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7\n\xff", "application/pdf"),
        (b"PK\x03\x04" + b"\0" * 26 + b"notes.txt", "application/zip"),
        (
            b"PK\x03\x04" + b"\0" * 26 + b"mimetypeapplication/epub+zipPK",
            "application/epub+zip",
        ),
        (
            b"PK\x03\x04" + b"\0" * 26 + b"word/document.xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "image/svg+xml"),
        (b"<!doctype html><script>alert(1)</script>", "text/html"),
    ],
)
async def test_a_type_is_detected_from_the_content(content: bytes, type_: str) -> None:
    seen = FileInspector(1000)

    passed = b"".join([chunk async for chunk in seen.inspect(one_by_one(content))])

    assert passed == content
    assert seen.type == type_
    assert seen.size == len(content)


async def test_an_upload_that_is_too_large_is_refused_before_it_ends() -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 1_000_000

    with pytest.raises(TooLarge, match="at most 3 MB"):
        async for _ in FileInspector(3_000_000).inspect(endless()):
            pass

    assert asked == 4


async def one_by_one(content: bytes) -> AsyncIterator[bytes]:
    for byte in content:
        yield bytes([byte])
