"""Store files in an S3 bucket, through obstore; imported only if FILES_URL names a bucket.

An upload is buffered in an unnamed temporary file first, so that an interrupted one never reaches
the bucket and leaves nothing behind even if the process is killed. The client is called in
threads: its own event loop may outlive Python's, and then aborts the whole process.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import obstore
from anyio.to_thread import run_sync
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid
from deskwire.kit.store import BATCH_SIZE, CHUNK_SIZE, NoSuchKey, check_key, is_key

PART_SIZE = 8 * 1024 * 1024  # bytes per part of a large upload; S3 requires at least 5 MiB
MAX_CONCURRENT_PARTS = 2  # parts in flight at a time; each is held in memory

T = TypeVar("T")


class BucketStore:
    """A store in an S3 bucket."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store, self._name = store, name

    def __repr__(self) -> str:
        return f"BucketStore({self._name!r})"  # never the credentials

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        check_key(key)
        with tempfile.TemporaryFile() as file:
            async for chunk in chunks:
                await run_sync(file.write, chunk)
            size = file.tell()
            file.seek(0)
            put = partial(obstore.put, chunk_size=PART_SIZE, max_concurrency=MAX_CONCURRENT_PARTS)
            await run_sync(put, self._store, key, file)
        return size

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        size = await self.size(key)
        end = size if end is None else min(end, size)
        if start >= end:
            return _iterate_in_thread(())
        get = partial(obstore.get, self._store, key, options={"range": (start, end)})
        try:
            result = await run_sync(get)
        except FileNotFoundError:
            raise NoSuchKey(key) from None
        return _stream_chunks(result)

    async def size(self, key: str) -> int:
        try:
            return (await run_sync(obstore.head, self._store, check_key(key)))["size"]
        except FileNotFoundError:
            raise NoSuchKey(key) from None

    async def delete(self, key: str) -> None:
        try:
            await run_sync(obstore.delete, self._store, check_key(key))
        except FileNotFoundError:
            return  # S3 itself reports no error for a missing key, other implementations do

    async def list_keys_before(self, cutoff: Millis) -> AsyncIterator[Sequence[str]]:
        before = datetime.fromtimestamp(cutoff / 1000, UTC)
        async for objects in _iterate_in_thread(obstore.list(self._store, chunk_size=BATCH_SIZE)):
            paths = [each["path"] for each in objects if each["last_modified"] < before]
            yield [path for path in paths if is_key(path)]


async def _stream_chunks(result: obstore.GetResult) -> AsyncIterator[bytes]:
    async for chunk in _iterate_in_thread(result.stream(min_chunk_size=CHUNK_SIZE)):
        yield bytes(chunk)


async def _iterate_in_thread(items: Iterable[T]) -> AsyncIterator[T]:
    """Iterate over a blocking iterable, fetching each item in a thread."""
    iterator = iter(items)
    while (item := await run_sync(next, iterator, None)) is not None:
        yield item


def open_bucket(url: str) -> BucketStore:
    """Return the store at `s3://BUCKET/PREFIX`.

    The client itself reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and
    AWS_ENDPOINT_URL. Raises Invalid if it cannot be configured.
    """
    parts = urlsplit(url)
    try:
        return BucketStore(S3Store(parts.netloc, prefix=parts.path.strip("/") or None), url)
    except BaseError as error:
        reason = str(error).partition("\n")[0]
        raise Invalid(f"FILES_URL: {url} cannot be used: {reason}. Set AWS_*.") from None
