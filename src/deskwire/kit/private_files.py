"""Create files and folders that only their owner can read, and put finished files into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEMPORARY_PREFIX, TEMPORARY_SUFFIX = "deskwire-", ".partial"  # of files that are not finished yet


def create_private_folder(path: Path) -> None:
    """Create a folder, if it is missing, and its missing parents, for their owner only.

    `Path.mkdir` gives the mode to the last folder only, and the usual one to its parents.
    """
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)  # raises FileExistsError if it is something else


@contextmanager
def new_private_file(target: Path) -> Iterator[Path]:
    """Yield an empty file to write, which becomes `target` at the end of the block.

    It is in the same folder under another name, and is deleted if the block raises. A process that
    is killed leaves it there, and never half a `target`. Raises FileExistsError if there is one.
    """
    if target.exists():
        raise FileExistsError(f"{target} exists")
    descriptor, name = tempfile.mkstemp(TEMPORARY_SUFFIX, TEMPORARY_PREFIX, target.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        _rename_to_new(temporary, target)
        sync_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Sync a folder to disk: after a power cut, the names of its files are there."""
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Rename a file, but never over another one. Raises FileExistsError."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        temporary.replace(target)
