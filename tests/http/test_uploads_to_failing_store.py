"""Test that nobody waits twice for a store that has just failed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from deskwire.kit import object_store
from deskwire.kit.errors import Unavailable
from deskwire.kit.open_store import open_store
from deskwire.kit.store import DiskStore
from tests.fixtures.cast import BO
from tests.fixtures.files_site import FilesSiteFixture
from tests.fixtures.s3_server import BUCKET, running_s3_server
from tests.fixtures.site import open_browser
from tests.fixtures.stream_server import wait_until

LONG = 3600.0  # s; far more than a test waits


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


@pytest.mark.database("sqlite")  # what is stored elsewhere has nothing to do with it
@pytest.mark.parametrize(
    ("limit", "shortened", "reason"),
    [
        ("CALL_TIMEOUT", 0.5, "no answer within 0 s"),
        ("REQUEST_TIMEOUT", timedelta(seconds=0.5), "error sending request|operation timed out"),
    ],
    ids=["our wait", "the client's request"],
)
def test_an_upload_to_a_stalled_bucket_is_refused_after_our_limit(
    files_site: FilesSiteFixture,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limit: str,
    shortened: float | timedelta,
    reason: str,
) -> None:
    monkeypatch.setattr(object_store, "REQUEST_TIMEOUT", timedelta(seconds=LONG))
    monkeypatch.setattr(object_store, "CALL_TIMEOUT", LONG)
    monkeypatch.setattr(object_store, limit, shortened)
    with running_s3_server() as s3:
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        store = open_store(f"s3://{BUCKET}/files")
        object.__setattr__(
            files_site.site, "uploads", replace(files_site.site.uploads, store=store)
        )
        s3.proxy.fault = "stall"

        answer = files_site.upload(BO)

        wait_until(lambda: bool(s3.proxy.stalled))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Files can’t be saved or opened right now." in answer.text
    [line] = [each.getMessage() for each in caplog.records if "the file store" in each.getMessage()]
    assert re.search(f"s3://{BUCKET}/files failed: .*({reason})", line)
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
