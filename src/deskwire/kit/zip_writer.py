"""Stream a ZIP archive while it is written; only a chunk of it is in memory at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from deskwire.kit.threads import DaemonThreadPool

COMPRESSION_THREADS = DaemonThreadPool("zip", 2)  # a chunk takes a few ms


class ZipWriter:
    """A ZIP (APPNOTE 6.3) as a stream: send what `add_file` yields for each file, then `finish`."""

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
        """Add a file of `size` bytes and yield the archive's bytes so far.

        With `compress` it is deflated, a chunk at a time, in a thread; most uploads are in
        compressed formats already.
        """
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
        entry.file_size = size  # zipfile uses it to choose ZIP64, which files over 2 GiB need
        entry.external_attr = 0o600 << 16  # Unix mode: readable and writable by its owner
        with self._zip.open(entry, "w") as file:
            async for chunk in chunks:
                if compress:
                    await COMPRESSION_THREADS.run(file.write, chunk)
                else:
                    file.write(chunk)
                yield self._buffer.take_bytes()

    def finish(self) -> bytes:
        """Close the archive and return its last bytes, the central directory."""
        self._zip.close()
        return self._buffer.take_bytes()


class _WriteBuffer:
    """The output of `ZipFile`. It is not seekable, so each file's size follows its data."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def write(self, data: bytes) -> int:
        self._bytes += data
        return len(data)

    def flush(self) -> None:
        """Do nothing, as part of the interface `ZipFile` expects."""

    def close(self) -> None:
        """Do nothing, as part of the interface `ZipFile` expects."""

    def take_bytes(self) -> bytes:
        """Return the bytes written since the last call."""
        written, self._bytes = bytes(self._bytes), bytearray()
        return written
