"""Open the file store in a folder or an S3 bucket, whose client is optional."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryFile

from deskwire.kit.errors import Invalid
from deskwire.kit.ids import new_id
from deskwire.kit.optional_packages import S3_PACKAGE, install_command
from deskwire.kit.store import DiskStore, Store
from deskwire.kit.threads import DaemonThreadPool

S3_URL_PREFIX = "s3://"


def open_store(url: str) -> Store:
    """Return the store at `url`. Nothing is read or written yet.

    Raises Invalid if the URL is malformed or the S3 client is not installed.
    """
    if not url.startswith(S3_URL_PREFIX):
        return DiskStore(Path(url))
    try:
        from deskwire.kit.object_store import open_bucket
    except ImportError:
        raise Invalid(
            "FILES_URL names an S3 bucket, but the client is not installed: "
            f"{install_command(S3_PACKAGE)}"
        ) from None
    return open_bucket(url)


def check_writable(url: str, timeout: float) -> None:
    """Check that the store at `url` accepts a file, within `timeout` s, leaving nothing behind.

    Raises the error that prevents it. Does not create a missing folder: the caller may not be the
    user that the server runs as.
    """
    asyncio.run(_check_within(url, timeout))


async def _check_within(url: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        if url.startswith(S3_URL_PREFIX):
            await _write_and_delete(open_store(url))
        else:
            await DaemonThreadPool("file-store", 1).run(_check_folder, url)


def _check_folder(url: str) -> None:
    folder = Path(url).absolute()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"{existing} is not writable")
    if existing == folder:
        with TemporaryFile(dir=folder):
            return


async def _write_and_delete(store: Store) -> None:
    key = new_id()
    await store.put(key, _probe_chunks())
    await store.delete(key)


async def _probe_chunks() -> AsyncIterator[bytes]:
    yield b"-"
