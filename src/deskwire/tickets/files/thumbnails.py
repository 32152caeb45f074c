"""Make thumbnails of uploaded images in a separate process that is killed when it takes too long.

The process that decodes an untrusted image has no database, secret or connection of ours to lose:
it is started with an empty environment for a single image, one at a time. People take turns.
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
from tempfile import TemporaryFile
from typing import IO

from deskwire.events.channels import PersonId
from deskwire.kit import store
from deskwire.kit.fair_lock import FairLock
from deskwire.kit.threads import DaemonThreadPool

THUMBNAIL_SCRIPT = Path(store.__file__).with_name("thumbnail_script.py")
TIMEOUT = 10.0  # s for one image; a large photo takes 0.5 s
QUEUE_TIMEOUT = 15.0  # s to wait for a turn, more than TIMEOUT: a hostile image delays others once
CLEANUP_TIMEOUT = 5.0  # s for a killed process to be gone
COPY_THREADS = DaemonThreadPool("thumbnail", 2)  # a write to the temporary folder takes 0.1 ms
MAX_OUTPUT_BYTES = 2 * 1024 * 1024  # bytes of the script's output; 480 px of noise have 300 kB

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail, and the size of the original in pixels, rotated to its upright position."""

    webp: bytes
    original_width: int
    original_height: int


class ThumbnailMaker:
    """Make thumbnails, one at a time, for one person after the other."""

    def __init__(self, timeout: float = TIMEOUT, script: Path = THUMBNAIL_SCRIPT) -> None:
        self._timeout = timeout
        self._script = script
        self._lock = FairLock()

    async def make_thumbnail(
        self, person: PersonId, chunks: AsyncIterator[bytes], *, square: bool = False
    ) -> Thumbnail | None:
        """Make a thumbnail of the image in `chunks`; `square`: of its centre.

        Returns None if the image cannot be decoded or a timeout passes: an upload without a
        thumbnail beats none.
        """
        try:
            with TemporaryFile() as image:
                # Before its turn: while a slow store delivers this image, others have theirs.
                async with asyncio.timeout(self._timeout):
                    await _copy_chunks(chunks, image)
                async with self._lock.hold(person, QUEUE_TIMEOUT), asyncio.timeout(self._timeout):
                    return parse_output(await self._run_script(image, ["square"] if square else []))
        except (TimeoutError, OSError, ValueError) as error:
            logger.info("could not make a thumbnail: %r", error)
            return None

    async def _run_script(self, image: IO[bytes], arguments: Sequence[str]) -> bytes:
        command = (sys.executable, "-I", str(self._script), *arguments)
        child = await asyncio.create_subprocess_exec(
            *command, stdin=image, stdout=PIPE, stderr=DEVNULL, env={}
        )
        try:
            return await _read_output(child)
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            async with asyncio.timeout(CLEANUP_TIMEOUT):
                await _drain_output(child)
                await child.wait()


async def _copy_chunks(chunks: AsyncIterator[bytes], file: IO[bytes]) -> None:
    async for chunk in chunks:
        await COPY_THREADS.run(file.write, chunk)
    await COPY_THREADS.run(file.seek, 0)


async def _read_output(child: Process) -> bytes:
    output = bytearray()
    if child.stdout is not None:
        while (part := await child.stdout.read(65536)) and len(output) <= MAX_OUTPUT_BYTES:
            output += part
    return bytes(output)


async def _drain_output(child: Process) -> None:
    """Read what a killed process has written to its end.

    asyncio pauses a pipe whose reader has enough unread output, and a paused pipe never learns of
    its end: without reading on, its file descriptor would stay open.
    """
    if child.stdout is not None:
        while await child.stdout.read(65536):
            pass


def parse_output(output: bytes) -> Thumbnail:
    """Parse the script's output: `WIDTH HEIGHT`, a newline, WebP. Raises ValueError otherwise."""
    size, _, webp = output.partition(b"\n")
    width, height = map(int, size.split())
    if not webp.startswith(b"RIFF") or len(output) > MAX_OUTPUT_BYTES:
        raise ValueError("unexpected output of the thumbnail script")
    return Thumbnail(webp, width, height)
