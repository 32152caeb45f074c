"""Which store FILES_URL names: a folder, or a bucket with a client that is optional."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryFile

from deskwire.kit.errors import Invalid
from deskwire.kit.ids import new_id
from deskwire.kit.store import DiskStore, Store

S3_URL_PREFIX = "s3://"
INSTALL_COMMAND = "pip install 'deskwire[s3]'"


def open_store(url: str) -> Store:
    """The store `url` names; nothing is read or written yet. Raises Invalid with a sentence."""
    if not url.startswith(S3_URL_PREFIX):
        return DiskStore(Path(url))
    try:
        from deskwire.kit.object_store import open_bucket
    except ImportError:
        raise Invalid(
            f"FILES_URL names an S3 bucket, whose client is not installed: {INSTALL_COMMAND}"
        ) from None
    return open_bucket(url)


def check_writable(url: str, timeout: float) -> None:
    """Raises whatever keeps the store `url` names from keeping something; nothing is left there.

    A folder that is missing is not made: whoever asks may be another user than who serves.
    """
    if url.startswith(S3_URL_PREFIX):
        asyncio.run(_write_and_delete(open_store(url), timeout))
        return
    folder = Path(url).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{there} cannot be written to")
    if there == folder:
        with TemporaryFile(dir=folder):
            return


async def _write_and_delete(store: Store, seconds: float) -> None:
    key = new_id()
    async with asyncio.timeout(seconds):
        await store.put(key, _probe_chunks())
        await store.delete(key)


async def _probe_chunks() -> AsyncIterator[bytes]:
    yield b"-"
