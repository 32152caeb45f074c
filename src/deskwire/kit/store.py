"""A store of bytes under keys: what it promises, and the one that is a folder on a disk.

A key is an id (UUIDv7), or an id and a word: `ID.thumb`. A folder keeps it below the id's end:

    data/files/
      incoming/            what is on its way; a broken-off upload is removed at once
      7f/ID, 7f/ID.thumb   256 folders, by the last two digits
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, ParamSpec, Protocol, TypeVar

import anyio.to_thread

from deskwire.kit.clock import Millis
from deskwire.kit.ids import is_id

CHUNK = 256 * 1024  # bytes read at once; a hop to a thread costs less than reading them
BATCH = 200  # keys told at once, who are then looked for in one statement
WORD = re.compile(r"[a-z]{1,16}", re.ASCII)

P = ParamSpec("P")
T = TypeVar("T")


class Missing(Exception):
    """The store has nothing under this key."""


class Store(Protocol):
    """Keeps bytes. Nobody ever sees half of what is put."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Keep all of `chunks` under `key`; how many bytes. If they break off, nothing is kept."""
        ...

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to before `end`. Raises Missing here, not while reading."""
        ...

    async def size(self, key: str) -> int:
        """How many bytes there are. Raises Missing."""
        ...

    async def delete(self, key: str) -> None:
        """Forget what is there, if anything is."""
        ...

    def keys_before(self, at: Millis) -> AsyncIterator[Sequence[str]]:
        """Every key last put before a moment, some at a time; what broke off before is removed."""
        ...


class Disk:
    """A store in a folder; made when something is put there. Its files are its owner's alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __repr__(self) -> str:
        return f"Disk({str(self._folder)!r})"

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        target, taken = self._path(key), 0
        file = await _in_thread(self._begin)
        part = Path(file.name)
        try:
            async for chunk in chunks:
                await _in_thread(file.write, chunk)
                taken += len(chunk)
            await _in_thread(_finish, file, part, target)
        except BaseException:
            _drop(file, part)  # here, not in a thread: who is cancelled waits for nothing more
            raise
        return taken

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        path = self._path(key)
        try:
            file = await _in_thread(path.open, "rb")
        except FileNotFoundError:
            raise Missing(key) from None
        return _read(file, start, end)

    async def size(self, key: str) -> int:
        path = self._path(key)
        try:
            return (await _in_thread(path.stat)).st_size
        except FileNotFoundError:
            raise Missing(key) from None

    async def delete(self, key: str) -> None:
        await _in_thread(self._path(key).unlink, missing_ok=True)

    async def keys_before(self, at: Millis) -> AsyncIterator[Sequence[str]]:
        for path in await _in_thread(_older, self._folder / "incoming", at):
            await _in_thread(path.unlink, missing_ok=True)
        for number in range(256):
            found = await _in_thread(_older, self._folder / f"{number:02x}", at)
            keys = [path.name for path in found if is_key(path.name)]
            for first in range(0, len(keys), BATCH):
                yield keys[first : first + BATCH]

    def _path(self, key: str) -> Path:
        id_ = check_key(key).partition(".")[0]
        return self._folder / id_[-2:] / key

    def _begin(self) -> IO[bytes]:
        incoming = self._folder / "incoming"
        incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The module makes it with mode 0600, under a name nobody can guess.
        return tempfile.NamedTemporaryFile(dir=incoming, delete=False)


def is_key(text: str) -> bool:
    """Whether `text` is an id, or an id, a dot and a word."""
    id_, dot, word = text.partition(".")
    return is_id(id_) and (not dot or WORD.fullmatch(word) is not None)


def check_key(key: str) -> str:
    """The key. Raises ValueError if it is none: no key ever leads out of the store."""
    if not is_key(key):
        raise ValueError(f"not a key of a store: {key!r}")
    return key


async def _in_thread(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await anyio.to_thread.run_sync(partial(do, *args, **kwargs))


def _finish(file: IO[bytes], part: Path, target: Path) -> None:
    """Onto the disk, then under its name: after a power cut it is whole, or not there."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    target.parent.mkdir(mode=0o700, exist_ok=True)
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _drop(file: IO[bytes], part: Path) -> None:
    file.close()
    part.unlink(missing_ok=True)


async def _read(file: IO[bytes], start: int, end: int | None) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            chunk = await _in_thread(file.read, CHUNK if left is None else min(CHUNK, left))
            if not chunk:
                return
            left = None if left is None else left - len(chunk)
            yield chunk


def _older(folder: Path, at: Millis) -> list[Path]:
    return list(_each_older(folder, at))


def _each_older(folder: Path, at: Millis) -> Iterator[Path]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            try:
                if entry.is_file() and entry.stat().st_mtime * 1000 < at:
                    yield Path(entry.path)
            except FileNotFoundError:  # gone meanwhile
                continue
