"""Test that nobody waits twice for a store that has just failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deskwire.kit.errors import Unavailable
from deskwire.kit.store import DiskStore
from tests.fixtures.cast import BO
from tests.fixtures.files_site import FilesSiteFixture
from tests.fixtures.site import open_browser


class FailingStore(DiskStore):
    """A folder that accepts files until it fails; every call from then on would wait."""

    def __init__(self, folder: Path, *, accepted_count: int) -> None:
        super().__init__(folder)
        self._left = accepted_count
        self.calls_after_failure: list[str] = []

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        if not self._left:
            raise Unavailable("Later.", "the file store failed: no answer")
        self._left -= 1
        return await super().put(key, chunks)

    async def delete(self, key: str) -> None:
        if not self._left:
            self.calls_after_failure.append(key)
            raise Unavailable("Later.", "the file store failed: no answer")
        await super().delete(key)


@pytest.fixture
def files_site(tmp_path: Path) -> Iterator[FilesSiteFixture]:
    site = FilesSiteFixture(tmp_path)
    yield site
    site.desk.db.close()


def fail_after(site: FilesSiteFixture, accepted_count: int) -> FailingStore:
    """Have the store of a site fail after so many files."""
    store = FailingStore(site.desk.folder / "files", accepted_count=accepted_count)
    object.__setattr__(site.site, "uploads", replace(site.site.uploads, store=store))
    return store


def test_a_form_whose_second_file_fails_leaves_the_first_to_the_cleanup(
    files_site: FilesSiteFixture,
) -> None:
    store = fail_after(files_site, 1)
    files = [("files", (name, b"hello", "text/plain")) for name in ("a.txt", "b.txt")]

    with open_browser(files_site, BO) as bo:
        path = f"/requests/{files_site.ticket}/messages"
        answer = bo.post(path, data={"text": "See"}, files=files)

    assert answer.status_code == 503
    assert store.calls_after_failure == []
    assert files_site.rows() == 0


def test_a_deleted_file_is_deleted_although_the_store_fails(
    files_site: FilesSiteFixture, caplog: pytest.LogCaptureFixture
) -> None:
    file_id = files_site.upload(BO).json()["id"]
    store = fail_after(files_site, 0)

    asyncio.run(files_site.site.uploads.discard_unsent(files_site.desk.person_id(BO), file_id))

    assert store.calls_after_failure == [file_id]  # and not the thumbnail after it
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == [
        f"the file cleanup will delete {file_id}, {file_id}.thumb: the file store failed: no answer"
    ]
    assert files_site.rows() == 0
