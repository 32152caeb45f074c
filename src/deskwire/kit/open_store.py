"""Which store FILES_URL names: a folder, or a bucket with a client that is optional."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryFile

from deskwire.kit.errors import Invalid
from deskwire.kit.ids import new_id
from deskwire.kit.store import Disk, Store

S3 = "s3://"
INSTALL = "pip install 'deskwire[s3]'"


def open_store(url: str) -> Store:
    """The store `url` names; nothing is read or written yet. Raises Invalid with a sentence."""
    if not url.startswith(S3):
        return Disk(Path(url))
    try:
        from deskwire.kit.object_store import open_bucket
    except ImportError:
        raise Invalid(
            f"FILES_URL names an S3 bucket, whose client is not installed: {INSTALL}"
        ) from None
    return open_bucket(url)


def check_writable(url: str, within: float) -> None:
    """Raises whatever keeps the store `url` names from keeping something; nothing is left there.

    A folder that is missing is not made: whoever asks may be another user than who serves.
    """
    if url.startswith(S3):
        asyncio.run(_try_out(open_store(url), within))
        return
    folder = Path(url).absolute()
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{there} cannot be written to")
    if there == folder:
        with TemporaryFile(dir=folder):
            return


async def _try_out(store: Store, within: float) -> None:
    key = new_id()
    async with asyncio.timeout(within):
        await store.put(key, _little())
        await store.delete(key)


async def _little() -> AsyncIterator[bytes]:
    yield b"-"
