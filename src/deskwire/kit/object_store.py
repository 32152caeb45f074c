"""Store files in an S3 bucket, through obstore; imported only if FILES_URL names a bucket.

An upload is buffered in an unnamed temporary file first, so that an interrupted one never reaches
the bucket and leaves nothing behind even if the process is killed. The client is called in
threads: its own event loop may outlive Python's, and then aborts the whole process.

A file is read in ranges, one request each: a request over the whole file would last as long as a
slow reader takes, and the client ends requests after REQUEST_TIMEOUT.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid, Unavailable
from deskwire.kit.store import BATCH_SIZE, NoSuchKey, check_key, is_key
from deskwire.kit.store_calls import CALL_TIMEOUT, P, StoreCalls, T

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ClientConfig, RetryConfig

PART_SIZE = 8 * 1024 * 1024  # bytes per part of a large upload; S3 requires at least 5 MiB
RANGE_SIZE = 1024 * 1024  # bytes per request of a download; a whole range is in memory
MAX_CONCURRENT_PARTS = 2  # parts in flight at a time; each is held in memory
CONNECT_TIMEOUT = timedelta(seconds=3)
REQUEST_TIMEOUT = timedelta(seconds=CALL_TIMEOUT)  # so that no thread waits longer than its caller
RETRY_TIMEOUT = timedelta(seconds=5)  # what fails at once is tried again; what times out is not
MAX_RETRIES = 3  # of what failed at once, such as a dropped connection or a 503

ERROR_CODE = re.compile(r"<Code>(\w+)</Code>")  # in the body of an error, as S3 documents it
ERROR_STATUS = re.compile(r"status code: (\d{3}[\w ]*)")
NO_SUCH_BUCKET = "NoSuchBucket"


class BucketStore:
    """A store in an S3 bucket."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store, self._name = store, name
        self._calls = StoreCalls(f"the file store {name}")
        # Others, so that an upload arrives while the bucket is stalled.
        self._temporary_file_calls = StoreCalls("the temporary folder of uploads")

    def __repr__(self) -> str:
        return f"BucketStore({self._name!r})"  # never the credentials

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        check_key(key)
        file = await self._temporary_file_calls.run(tempfile.TemporaryFile)
        try:
            async for chunk in chunks:
                await self._temporary_file_calls.run(file.write, chunk)
            size = await self._temporary_file_calls.run(_rewind, file)
            await self._put_file(key, file, size)
        finally:
            # In a thread, because closing waits for a part that is being read.
            await self._temporary_file_calls.finish(file.close)
        return size

    async def open(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        size = await self.size(key)
        end = size if end is None else min(end, size)
        first = await self._read_range(key, start, end)
        return self._stream_ranges(key, first, start, end)

    async def size(self, key: str) -> int:
        try:
            return (await self._run(obstore.head, self._store, check_key(key)))["size"]
        except FileNotFoundError:
            await self._check_bucket(key)
            raise NoSuchKey(key) from None

    async def delete(self, key: str) -> None:
        try:
            await self._run(obstore.delete, self._store, check_key(key))
        except FileNotFoundError:
            return  # S3 itself reports no error for a missing key, other implementations do

    async def list_keys_before(self, cutoff: Millis) -> AsyncIterator[Sequence[str]]:
        before = datetime.fromtimestamp(cutoff / 1000, UTC)
        batches = iter(obstore.list(self._store, chunk_size=BATCH_SIZE))
        while (objects := await self._run(next, batches, None)) is not None:
            paths = [each["path"] for each in objects if each["last_modified"] < before]
            yield [path for path in paths if is_key(path)]

    async def _put_file(self, key: str, file: IO[bytes], size: int) -> None:
        put = partial(obstore.put, chunk_size=PART_SIZE, max_concurrency=MAX_CONCURRENT_PARTS)
        parts = 1 + size // PART_SIZE
        try:
            await self._run_within(CALL_TIMEOUT * parts, put, self._store, key, file)
        except FileNotFoundError:
            raise self._calls.failed("the bucket does not exist") from None

    async def _read_range(self, key: str, start: int, end: int) -> bytes:
        """Return RANGE_SIZE bytes from `start`, or those up to `end` if they are fewer."""
        end = min(end, start + RANGE_SIZE)
        if start >= end:
            return b""
        try:
            get = partial(obstore.get_range, start=start, end=end)
            return bytes(await self._run(get, self._store, key))
        except FileNotFoundError:
            raise NoSuchKey(key) from None

    async def _stream_ranges(
        self, key: str, first: bytes, start: int, end: int
    ) -> AsyncIterator[bytes]:
        chunk = first
        while chunk:
            yield chunk
            start += len(chunk)
            chunk = await self._read_range(key, start, end)

    async def _check_bucket(self, key: str) -> None:
        """Raise Unavailable if the bucket is missing: S3 says nothing but 404 to HEAD."""
        listed = iter(obstore.list(self._store, prefix=key, chunk_size=1))
        await self._run(next, listed, None)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run_within(CALL_TIMEOUT, function, *args, **kwargs)

    async def _run_within(
        self, seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            return await self._calls.look_up(seconds, function, *args, **kwargs)
        except BaseError as error:
            raise self._failed(error) from None
        except FileNotFoundError as error:
            if NO_SUCH_BUCKET in str(error):
                raise self._failed(error) from None
            raise

    def _failed(self, error: Exception) -> Unavailable:
        return self._calls.failed(describe_error(error))


def describe_error(error: Exception) -> str:
    """Return the cause of an error of the client in one line, without its debug output."""
    text = str(error)
    if code := ERROR_CODE.search(text):
        return {NO_SUCH_BUCKET: "the bucket does not exist"}.get(
            code[1], f"the bucket answered {code[1]}"
        )
    if status := ERROR_STATUS.search(text):
        return f"the bucket answered {status[1].strip()}"
    return text.partition("\n")[0]


def _rewind(file: IO[bytes]) -> int:
    """Go back to the beginning of a file that was written; return its size in bytes."""
    size = file.tell()
    file.seek(0)
    return size


def open_bucket(url: str) -> BucketStore:
    """Return the store at `s3://BUCKET/PREFIX`.

    The client itself reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and
    AWS_ENDPOINT_URL. Raises Invalid if it cannot be configured.
    """
    parts = urlsplit(url)
    client: ClientConfig = {
        "connect_timeout": CONNECT_TIMEOUT,
        "timeout": REQUEST_TIMEOUT,
        "allow_http": True,  # only if AWS_ENDPOINT_URL says so; Amazon's own addresses are https
    }
    retries: RetryConfig = {"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT}
    try:
        store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            client_options=client,
            retry_config=retries,
        )
    except BaseError as error:
        reason = str(error).partition("\n")[0]
        raise Invalid(f"FILES_URL: {url} cannot be used: {reason}. Set AWS_*.") from None
    return BucketStore(store, url)
