"""Archives: a ZIP that is made while it is sent; no more of it is in memory than a chunk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from anyio.to_thread import run_sync


class ZipWriter:
    """A ZIP (APPNOTE 6.3) whose bytes are handed out as it grows: first what `add` gives, for each
    file, then what `end` does."""

    def __init__(self) -> None:
        self._buffer = _WriteBuffer()
        self._zip = ZipFile(self._buffer, "w")

    async def add_file(
        self,
        path: str,
        modified_at: datetime,
        size: int,
        chunks: AsyncIterator[bytes],
        *,
        compress: bool,
    ) -> AsyncGenerator[bytes, None]:
        """A file of `size` bytes. `packs`: it is made smaller, in a thread, a chunk at a time; what
        people upload mostly is small already."""
        entry = ZipInfo(
            path,
            (
                modified_at.year,
                modified_at.month,
                modified_at.day,
                modified_at.hour,
                modified_at.minute,
                modified_at.second,
            ),
        )
        entry.compress_type = ZIP_DEFLATED if compress else ZIP_STORED
        entry.file_size = size  # by it the format is chosen that files of over 2 GiB need
        entry.external_attr = 0o600 << 16  # a file its owner may read, as Unix says it
        with self._zip.open(entry, "w") as file:
            async for chunk in chunks:
                if compress:
                    await run_sync(file.write, chunk)
                else:
                    file.write(chunk)
                yield self._buffer.take_bytes()

    def finish(self) -> bytes:
        """What is left to be sent: the list of all that was added."""
        self._zip.close()
        return self._buffer.take_bytes()


class _WriteBuffer:
    """Where the ZIP is written to. It cannot be sought in, so sizes come behind each file."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """There is nothing to close."""

    def take_bytes(self) -> bytes:
        """What was written since the last time."""
        taken, self._bytes = bytes(self._bytes), bytearray()
        return taken
