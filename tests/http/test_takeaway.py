"""One's data: an archive of all that is kept of somebody, with the files they sent."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pytest

from deskwire.kit.archive import Archive
from tests.cast import BO, UNA
from tests.http.test_files import Filed
from tests.http.whole_site import browse
from tests.unit.test_pictures import drawn

PICTURE = drawn(300, 200, "PNG")
NAMES = ("the mast_.png", "a.txt", "a.txt")

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[Filed]:
    site = Filed(tmp_path)
    yield site
    site.house.db.close()


def test_the_files_somebody_sent_are_in_it_and_nobody_else_s(filed: Filed) -> None:
    sent = [filed.sent(BO, PICTURE, "the mast?.png"), filed.sent(BO, b"one", "a.txt")]
    sent.append(filed.upload(BO, b"two", "a.txt").json()["href"])
    filed.sent(UNA, b"not his", "b.txt")
    browse(filed, BO).post("/settings/avatar", files={"avatar": ("me.png", PICTURE)})
    lost = filed.sent(BO, b"three", "lost.txt")
    (next(filed.house.folder.glob(f"files/??/{lost.rpartition('/')[2]}"))).unlink()

    answer = browse(filed, BO).get("/settings/data")

    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].endswith('filename="deskwire-data.zip"')
    with ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        inside = {name: archive.read(name) for name in archive.namelist()}
    data = json.loads(inside["data.json"])
    ids = [href.rpartition("/")[2] for href in sent]
    paths = [f"files/{id_}/{name}" for id_, name in zip(ids, NAMES, strict=True)]
    assert list(inside) == [*paths, "picture.webp", "data.json"]
    assert [inside[path] for path in paths] == [PICTURE, b"one", b"two"]
    assert inside["picture.webp"].startswith(b"RIFF")
    assert [each["path"] for each in data["files"]] == [*paths, None]
    assert data["files"][0]["name"] == "the mast?.png"
    assert data["person"]["email"] == BO.email
    assert UNA.email not in json.dumps(data)


async def test_an_archive_is_handed_out_as_it_grows() -> None:
    archive, at = Archive(), datetime(2026, 11, 27, tzinfo=UTC)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(64 * 1024)

    parts = [part async for part in archive.add("zeros", at, 64**2 * 1024, chunks(), packs=False)]
    whole = b"".join([*parts, archive.end()])

    assert max(map(len, parts)) < 65 * 1024
    with ZipFile(io.BytesIO(whole)) as read:
        assert read.read("zeros") == bytes(64**2 * 1024)
