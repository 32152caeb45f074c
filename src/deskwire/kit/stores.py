"""Which store FILES_URL names: a folder, or a bucket with a client that is optional."""

from __future__ import annotations

from pathlib import Path

from deskwire.kit.errors import Invalid
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
