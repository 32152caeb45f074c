"""A store in a bucket that speaks S3, over obstore; loaded only where FILES_URL names one.

What is put is gathered in a file without a name first, so that a broken-off upload never reaches
the bucket, and nothing of it is left even where the process is killed. The client is asked in
threads: its own event loop may outlive Python's, and then ends the whole process with an abort.
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

PART_SIZE = 8 * 1024 * 1024  # bytes of one part of a large upload; S3 wants 5 MiB or more
MAX_CONCURRENT_PARTS = 2  # parts on their way at the same time: each is in memory

T = TypeVar("T")


class BucketStore:
    """A store of objects."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store, self._name = store, name

    def __repr__(self) -> str:
        return f"Objects({self._name!r})"  # never the credentials

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
            found = await run_sync(get)
        except FileNotFoundError:
            raise NoSuchKey(key) from None
        return _stream_chunks(found)

    async def size(self, key: str) -> int:
        try:
            return (await run_sync(obstore.head, self._store, check_key(key)))["size"]
        except FileNotFoundError:
            raise NoSuchKey(key) from None

    async def delete(self, key: str) -> None:
        try:
            await run_sync(obstore.delete, self._store, check_key(key))
        except FileNotFoundError:
            return  # S3 says nothing, others do

    async def list_keys_before(self, cutoff: Millis) -> AsyncIterator[Sequence[str]]:
        before = datetime.fromtimestamp(cutoff / 1000, UTC)
        async for found in _iterate_in_thread(obstore.list(self._store, chunk_size=BATCH_SIZE)):
            old = [each["path"] for each in found if each["last_modified"] < before]
            yield [key for key in old if is_key(key)]


async def _stream_chunks(result: obstore.GetResult) -> AsyncIterator[bytes]:
    async for chunk in _iterate_in_thread(result.stream(min_chunk_size=CHUNK_SIZE)):
        yield bytes(chunk)


async def _iterate_in_thread(items: Iterable[T]) -> AsyncIterator[T]:
    """What a slow iterator gives, each asked for in a thread."""
    iterator = iter(items)
    while (thing := await run_sync(next, iterator, None)) is not None:
        yield thing


def open_bucket(url: str) -> BucketStore:
    """The store `s3://BUCKET/PREFIX` names. The client itself reads AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL."""
    parts = urlsplit(url)
    try:
        return BucketStore(S3Store(parts.netloc, prefix=parts.path.strip("/") or None), url)
    except BaseError as error:
        first = str(error).partition("\n")[0]
        raise Invalid(f"FILES_URL: {url} cannot be used: {first}. Set AWS_*.") from None
