"""Define the interface of file stores, and implement the one that is a folder on disk.

A key is an id (UUIDv7), or an id and a suffix: `ID.thumb`. The folder is laid out as

    data/files/
      incoming/            uploads in progress; an interrupted one is removed at once
      7f/ID, 7f/ID.thumb   256 folders, by the last two digits of the id
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from deskwire.kit.clock import Millis
from deskwire.kit.ids import is_id
from deskwire.kit.private_files import create_private_folder, sync_folder
from deskwire.kit.store_calls import CALL_TIMEOUT, StoreCalls

CHUNK_SIZE = 256 * 1024  # bytes per read; reading them takes longer than the hop to a thread
BATCH_SIZE = 200  # keys per batch; the caller looks a batch up in one statement
KEY_SUFFIX = re.compile(r"[a-z]{1,16}", re.ASCII)


class NoSuchKey(Exception):
    """The store has no file under this key."""


class Store(Protocol):
    """A store of files by key. A file appears whole or not at all.

    Everything raises Unavailable if the store fails or does not answer in time.
    """

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """Store `chunks` under `key` and return the size in bytes.

        If `chunks` raises, nothing is stored.
        """
        ...

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Return the bytes from `start` up to but not including `end`, in chunks.

        Raises NoSuchKey right away, not while reading.
        """
        ...

    async def size(self, key: str) -> int:
        """Return the size in bytes. Raises NoSuchKey."""
        ...

    async def delete(self, key: str) -> None:
        """Delete the file under `key`, if there is one."""
        ...

    def list_keys_before(self, cutoff: Millis) -> AsyncIterator[Sequence[str]]:
        """Yield the keys last stored before `cutoff`, at most BATCH_SIZE at a time.

        Removes uploads that were interrupted before it.
        """
        ...


class DiskStore:
    """A store in a folder, created by the first upload. Only its owner can read the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._calls = StoreCalls(f"the file store {folder}")

    def __repr__(self) -> str:
        return f"DiskStore({str(self._folder)!r})"

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        target, size = self._path(key), 0
        file = await self._calls.run(self._create_temporary_file)
        try:
            async for chunk in chunks:
                await self._calls.run(file.write, chunk)
                size += len(chunk)
            await self._calls.run(_sync_and_rename, file, target)
        except BaseException:
            await self._calls.finish(partial(_discard, file))
            raise
        return size

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await self._calls.look_up(CALL_TIMEOUT, _open_at, self._path(key), start)
        except FileNotFoundError:
            raise NoSuchKey(key) from None
        return self._stream_chunks(file, None if end is None else end - start)

    async def size(self, key: str) -> int:
        path = self._path(key)
        try:
            return (await self._calls.look_up(CALL_TIMEOUT, path.stat)).st_size
        except FileNotFoundError:
            raise NoSuchKey(key) from None

    async def delete(self, key: str) -> None:
        await self._calls.run(self._path(key).unlink, missing_ok=True)

    async def list_keys_before(self, cutoff: Millis) -> AsyncIterator[Sequence[str]]:
        for path in await self._calls.run(_list_older_files, self._folder / "incoming", cutoff):
            await self._calls.run(path.unlink, missing_ok=True)
        for number in range(256):
            paths = await self._calls.run(_list_older_files, self._folder / f"{number:02x}", cutoff)
            keys = [path.name for path in paths if is_key(path.name)]
            for first in range(0, len(keys), BATCH_SIZE):
                yield keys[first : first + BATCH_SIZE]

    async def _stream_chunks(self, file: IO[bytes], left: int | None) -> AsyncIterator[bytes]:
        try:
            while left is None or left > 0:
                chunk = await self._calls.run(
                    file.read, CHUNK_SIZE if left is None else min(CHUNK_SIZE, left)
                )
                if not chunk:
                    return
                left = None if left is None else left - len(chunk)
                yield chunk
        finally:
            # In a thread, because closing waits for a read that has not returned yet.
            await self._calls.finish(file.close)

    def _path(self, key: str) -> Path:
        id_ = check_key(key).partition(".")[0]
        return self._folder / id_[-2:] / key

    def _create_temporary_file(self) -> IO[bytes]:
        incoming = self._folder / "incoming"
        create_private_folder(incoming)
        # tempfile creates it with mode 0600 and an unguessable name.
        return tempfile.NamedTemporaryFile(dir=incoming, delete=False)


def is_key(text: str) -> bool:
    """Whether `text` is a key: an id, or an id, a dot and a suffix."""
    id_, dot, suffix = text.partition(".")
    return is_id(id_) and (not dot or KEY_SUFFIX.fullmatch(suffix) is not None)


def check_key(key: str) -> str:
    """Return `key`. Raises ValueError if it is not a key: no path may lead out of the store."""
    if not is_key(key):
        raise ValueError(f"not a key of a file store: {key!r}")
    return key


def _open_at(path: Path, start: int) -> IO[bytes]:
    file = path.open("rb")
    try:
        file.seek(start)
    except BaseException:
        file.close()
        raise
    return file


def _sync_and_rename(file: IO[bytes], target: Path) -> None:
    """Sync the file to disk, then rename it: after a power cut it is complete or absent."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    create_private_folder(target.parent)
    Path(file.name).replace(target)
    sync_folder(target.parent)


def _discard(file: IO[bytes]) -> None:
    with suppress(OSError):  # closing writes what is buffered, which a full disk refuses again
        file.close()
    with suppress(OSError):
        Path(file.name).unlink(missing_ok=True)


def _list_older_files(folder: Path, cutoff: Millis) -> list[Path]:
    return list(_iterate_older_files(folder, cutoff))


def _iterate_older_files(folder: Path, cutoff: Millis) -> Iterator[Path]:
    try:
        entries = os.scandir(folder)
    except FileNotFoundError:
        return
    with entries:
        for entry in entries:
            try:
                if entry.is_file() and entry.stat().st_mtime * 1000 < cutoff:
                    yield Path(entry.path)
            except FileNotFoundError:  # deleted in the meantime
                continue
