"""Small pictures of uploaded ones, made by a process of its own that is killed when it takes long.

What decodes a stranger's picture has no database, no secret and no network of ours to lose: it is
started for one picture with an empty environment, and one at a time.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deskwire.kit import store

THUMBNAIL_SCRIPT = Path(store.__file__).with_name("thumbnail_script.py")
TIMEOUT = 10.0  # s for one picture; a large photograph takes half of one
QUEUE_TIMEOUT = 10.0  # s to wait for a slot; an upload without a thumbnail beats none
MAX_OUTPUT_BYTES = 2 * 1024 * 1024  # of an answer; 480 px of noise have 300 kB

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small picture, and how large the whole one is in pixels, the right way up."""

    webp: bytes
    original_width: int
    original_height: int


class ThumbnailMaker:
    """Makes small pictures, one at a time."""

    def __init__(self, timeout: float = TIMEOUT, script: Path = THUMBNAIL_SCRIPT) -> None:
        self._timeout = timeout
        self._script = script
        self._semaphore = asyncio.Semaphore(1)

    async def make_thumbnail(
        self, chunks: AsyncIterator[bytes], *, square: bool = False
    ) -> Thumbnail | None:
        """A small picture of the one in `chunks`, or of its middle; None where none could be made,
        in time."""
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT):
                await self._semaphore.acquire()
        except TimeoutError:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                return parse_output(await self._run_script(chunks, ["square"] if square else []))
        except (TimeoutError, OSError, ValueError) as error:
            logger.info("no small picture could be made: %r", error)
            return None
        finally:
            self._semaphore.release()

    async def _run_script(self, chunks: AsyncIterator[bytes], arguments: Sequence[str]) -> bytes:
        command = (sys.executable, "-I", str(self._script), *arguments)
        child = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        try:
            return await _communicate(child, chunks)
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _communicate(child: Process, chunks: AsyncIterator[bytes]) -> bytes:
    """Send all, then read all: it answers only once it has everything."""
    if child.stdin is None or child.stdout is None:
        raise OSError("a process without pipes")
    with suppress(ConnectionError):  # it has given up; its answer says so
        async for chunk in chunks:
            child.stdin.write(chunk)
            await child.stdin.drain()
        child.stdin.close()
    answer = bytearray()
    while (part := await child.stdout.read(65536)) and len(answer) <= MAX_OUTPUT_BYTES:
        answer += part
    return bytes(answer)


def parse_output(output: bytes) -> Thumbnail:
    """What the program has written. Raises ValueError where that is not an answer."""
    head, _, webp = output.partition(b"\n")
    width, height = map(int, head.split())
    if not webp.startswith(b"RIFF") or len(output) > MAX_OUTPUT_BYTES:
        raise ValueError("not an answer of the program")
    return Thumbnail(webp, width, height)
