"""Test thumbnails: correct where one can be made, and merely absent otherwise."""

from __future__ import annotations

import asyncio
import gc
import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from deskwire.tickets.files import thumbnails
from deskwire.tickets.files.thumbnails import Thumbnail, ThumbnailMaker, parse_output


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
async def test_an_image_gets_a_thumbnail(kind: str) -> None:
    small = await shrink(drawn(1000, 500, kind))

    assert small is not None
    assert (small.original_width, small.original_height) == (1000, 500)
    with Image.open(io.BytesIO(small.webp)) as image:
        assert (image.format, image.size) == ("WEBP", (480, 240))


async def test_exif_rotation_is_applied_and_metadata_removed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    exif[0x010F] = "Secret Camera"

    small = await shrink(drawn(1000, 500, "JPEG", exif=exif))

    assert small is not None
    assert (small.original_width, small.original_height) == (500, 1000)
    with Image.open(io.BytesIO(small.webp)) as image:
        assert image.size == (240, 480)
        assert not image.getexif()
    assert b"Secret" not in small.webp


async def test_a_decompression_bomb_is_not_decoded() -> None:
    assert await shrink(bomb(50_000, 50_000)) is None
    assert await shrink(bomb(7_000, 7_000)) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"x" * 99, b"<svg/>", b"%!PS-Adobe-3.0 EPSF-3.0\n",
     b"RIFF\xff\xff\xff\xffWEBPVP8L" + b"\xff" * 50],
)  # fmt: skip
async def test_a_non_image_has_no_thumbnail(content: bytes) -> None:
    assert await shrink(content) is None


async def test_a_truncated_image_has_no_thumbnail() -> None:
    assert await shrink(drawn(1000, 500, "PNG")[:200]) is None


async def test_a_script_that_hangs_is_killed_and_the_next_runs(tmp_path: Path) -> None:
    program = tmp_path / "stuck.py"
    program.write_text("import time\nwhile True: time.sleep(60)\n")
    pictures = ThumbnailMaker(timeout=0.3, script=program)

    assert await pictures.make_thumbnail("ada", once(b"x" * 1_000_000)) is None
    assert await pictures.make_thumbnail("ada", once(b"x")) is None


async def test_many_images_of_one_person_delay_another_by_one_turn(tmp_path: Path) -> None:
    order, program = tmp_path / "order", tmp_path / "noting.py"
    program.write_text(
        f"import sys\nname = sys.stdin.read()\nopen({str(order)!r}, 'a').write(name)\n"
        "print('1 1\\nRIFF')\n"
    )
    pictures = ThumbnailMaker(script=program)

    made = []
    for person in ("eve", "eve", "eve", "eve", "ada"):
        made.append(pictures.make_thumbnail(person, once(f"{person} ".encode())))
    await asyncio.gather(*made)

    assert order.read_text().split() == ["eve", "eve", "ada", "eve", "eve"]


async def test_an_image_from_a_slow_store_does_not_delay_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(thumbnails, "QUEUE_TIMEOUT", 0.0)  # the next one must not have to queue
    asked, delivered = asyncio.Event(), asyncio.Event()

    async def deliver_slowly() -> AsyncIterator[bytes]:
        asked.set()
        await delivered.wait()
        yield drawn(100, 50, "PNG")

    maker = ThumbnailMaker(timeout=60.0)
    slow = asyncio.create_task(maker.make_thumbnail("ada", deliver_slowly()))
    await asked.wait()

    assert await maker.make_thumbnail("bo", once(drawn(100, 50, "PNG"))) is not None
    delivered.set()
    assert await slow is not None


async def test_excessive_output_is_cut_off(tmp_path: Path) -> None:
    program = tmp_path / "loud.py"
    program.write_text("import sys\nwhile True: sys.stdout.write('1 1\\nRIFF' * 9999)\n")

    assert await ThumbnailMaker(script=program).make_thumbnail("ada", once(b"x")) is None


async def test_unread_output_leaves_no_open_pipe(tmp_path: Path) -> None:
    program = tmp_path / "early.py"
    program.write_text("import sys\nwhile True: sys.stdout.write('1 1\\nRIFF' * 9999)\n")

    assert await ThumbnailMaker(script=program).make_thumbnail("ada", once(b"x")) is None

    gc.collect()  # an unclosed pipe warns here, and a warning is a failure


async def test_an_endless_image_is_given_up() -> None:
    assert await ThumbnailMaker(timeout=0.3).make_thumbnail("ada", endless()) is None


async def test_the_script_gets_no_environment_of_the_desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", "very-secret")
    program = tmp_path / "nosy.py"
    program.write_text("import os\nprint('1 1\\nRIFF', 'BOT_WEBHOOK_SECRET' in os.environ)\n")

    small = await ThumbnailMaker(script=program).make_thumbnail("ada", once(b"x"))

    assert small is not None
    assert small.webp == b"RIFF False\n"


@pytest.mark.parametrize("answer", [b"", b"1 1\n", b"1 1 1\nRIFF", b"x y\nRIFF", b"RIFF"])
def test_malformed_output_is_rejected(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_output(answer)


async def shrink(content: bytes) -> Thumbnail | None:
    return await ThumbnailMaker().make_thumbnail("ada", once(content))


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.sleep(0.1)


def drawn(width: int, height: int, kind: str, exif: Image.Exif | None = None) -> bytes:
    """A picture in colors."""
    made = io.BytesIO()
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    image.save(made, kind, **({} if exif is None else {"exif": exif}))
    return made.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of very many pixels in few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        sum_ = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", sum_)

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000)
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
