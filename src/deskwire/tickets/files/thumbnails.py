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

PROGRAM = Path(store.__file__).with_name("thumbnail_script.py")
WITHIN = 10.0  # s for one picture; a large photograph takes half of one
WAITING = 10.0  # s until it is its turn; an upload without a small picture is better than none
MAX_BYTES = 2 * 1024 * 1024  # of an answer; 480 px of noise have 300 kB

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture, and how large the whole one is in pixels, the right way up."""

    webp: bytes
    width: int
    height: int


class Pictures:
    """Makes small pictures, one at a time."""

    def __init__(self, within: float = WITHIN, program: Path = PROGRAM) -> None:
        self._within = within
        self._program = program
        self._turn = asyncio.Semaphore(1)

    async def shrink(self, chunks: AsyncIterator[bytes], *, square: bool = False) -> Picture | None:
        """A small picture of the one in `chunks`, or of its middle; None where none could be made,
        in time."""
        try:
            async with asyncio.timeout(WAITING):
                await self._turn.acquire()
        except TimeoutError:
            return None
        try:
            async with asyncio.timeout(self._within):
                return parse_answer(await self._run(chunks, ["square"] if square else []))
        except (TimeoutError, OSError, ValueError) as error:
            logger.info("no small picture could be made: %r", error)
            return None
        finally:
            self._turn.release()

    async def _run(self, chunks: AsyncIterator[bytes], wish: Sequence[str]) -> bytes:
        command = (sys.executable, "-I", str(self._program), *wish)
        child = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        try:
            return await _converse(child, chunks)
        finally:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


async def _converse(child: Process, chunks: AsyncIterator[bytes]) -> bytes:
    """Send all, then read all: it answers only once it has everything."""
    if child.stdin is None or child.stdout is None:
        raise OSError("a process without pipes")
    with suppress(ConnectionError):  # it has given up; its answer says so
        async for chunk in chunks:
            child.stdin.write(chunk)
            await child.stdin.drain()
        child.stdin.close()
    answer = bytearray()
    while (part := await child.stdout.read(65536)) and len(answer) <= MAX_BYTES:
        answer += part
    return bytes(answer)


def parse_answer(answer: bytes) -> Picture:
    """What the program has written. Raises ValueError where that is not an answer."""
    head, _, webp = answer.partition(b"\n")
    width, height = map(int, head.split())
    if not webp.startswith(b"RIFF") or len(answer) > MAX_BYTES:
        raise ValueError("not an answer of the program")
    return Picture(webp, width, height)
