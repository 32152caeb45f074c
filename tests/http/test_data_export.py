"""One's data: an archive of all that is kept of somebody, with the files they sent."""

from __future__ import annotations

import io
import json
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from anyio import run, sleep_forever
from anyio.to_thread import run_sync
from sqlalchemy import Connection, delete

from deskwire.kit.store import Disk
from deskwire.kit.zip_writer import Archive
from deskwire.tickets.data_export import pack
from deskwire.workspaces.organizations.organizations import organization_members
from tests.fixtures.cast import ADA, BO, CY, UNA, Actor
from tests.fixtures.site import AS, browse
from tests.http.test_uploads import Filed
from tests.unit.test_thumbnails import drawn

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


def test_what_somebody_may_see_no_more_is_not_in_it(filed: Filed) -> None:
    house, shown = filed.house, {"tickets": 1, "messages": 2, "files": 1}
    filed.sent(ADA, b"salaries", "internal.txt", "note")
    filed.sent(ADA, b"an answer", "answer.txt")
    filed.sent(BO, b"a plan", "plan.txt")
    before = {each: data_of(filed, each) for each in (ADA, BO)}
    for actor in (ADA, BO):
        mine = organization_members.c.person == house.id_of(actor)
        house.db.write_here(Connection.execute, delete(organization_members).where(mine))
    unsent = filed.upload(CY, b"mine", place=house.tyrell).json()["id"]
    house.enter(house.northwind.partition(":")[2], ADA)  # as a client, who reads no notes

    as_client, nobody = data_of(filed, ADA), data_of(filed, BO)

    assert counted(before[ADA]) == {"tickets": 0, "messages": 2, "files": 2}
    assert counted(before[BO]) == shown
    assert counted(as_client) == {"tickets": 0, "messages": 1, "files": 1}
    assert [each["name"] for each in as_client["files"]] == ["answer.txt"]
    assert {each["kind"] for each in as_client["messages"]} == {"reply"}
    assert counted(nobody) == dict.fromkeys(shown, 0)
    assert [each["id"] for each in data_of(filed, CY)["files"]] == [unsent]


def data_of(filed: Filed, actor: Actor) -> dict[str, Any]:
    """The `data.json` that somebody downloads, which names every file in the archive."""
    with ZipFile(io.BytesIO(browse(filed, actor).get("/settings/data").content)) as archive:
        data: dict[str, Any] = json.loads(archive.read("data.json"))
        assert archive.namelist() == [*(each["path"] for each in data["files"]), "data.json"]
    return data


def counted(data: dict[str, Any]) -> dict[str, int]:
    return {name: len(data[name]) for name in ("tickets", "messages", "files")}


def test_one_download_at_a_time_and_five_an_hour(
    filed: Filed, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed.sent(BO, b"one", "a.txt")
    filed.sent(UNA, b"two", "b.txt")
    store, meanwhile = filed.site.uploads.store, list[Any]()
    read = store.open

    async def ask_again(key: str) -> AsyncIterator[bytes]:
        if not meanwhile:
            meanwhile.append(None)
            for each in (BO, UNA):
                meanwhile.append(await run_sync(browse(filed, each).get, "/settings/data"))
        return await read(key)

    monkeypatch.setattr(store, "open", ask_again)
    codes = [browse(filed, BO).get("/settings/data").status_code for _ in range(6)]
    refused = browse(filed, BO).get("/settings/data")

    _, second, of_another = meanwhile
    assert (second.status_code, of_another.status_code) == (429, 200)
    assert "being downloaded already" in second.text
    assert int(second.headers["retry-after"]) > 0
    assert codes == [200] * 5 + [429]
    assert "Try again in 60 minutes." in refused.text
    assert browse(filed, BO).head("/settings/data").status_code == 200


def test_who_hangs_up_may_download_again(filed: Filed) -> None:
    filed.sent(BO, b"one", "a.txt")

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        await sleep_forever()

    async def hang_up() -> None:
        headers = [(AS.encode(), BO.email.encode())]
        scope = {"type": "http", "method": "GET", "path": "/settings/data", "headers": headers}
        await filed.app({**scope, "query_string": b"", "app": filed.app}, receive, send)

    run(hang_up)

    assert browse(filed, BO).get("/settings/data").status_code == 200


async def test_no_data_is_written_or_packed_on_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, sizes, make = list[threading.Thread](), list[int](), zlib.compressobj

    class Told(dict[str, Any]):
        def items(self) -> Any:
            busy.append(threading.current_thread())
            return super().items()

    class Packer:
        def __init__(self, *given: Any) -> None:
            self._packer = make(*given)
            self.flush = self._packer.flush

        def compress(self, data: bytes) -> bytes:
            busy.append(threading.current_thread())
            sizes.append(len(data))
            return self._packer.compress(data)

    monkeypatch.setattr(zlib, "compressobj", Packer)
    message = {"id": "1", "text": "Grüße " * 50_000}
    taken = Told(made_at="2026-11-27T09:00:00+00:00", person={}, files=[], messages=[message])

    whole = b"".join([part async for part in pack(Disk(tmp_path), taken, None)])

    assert threading.main_thread() not in busy
    assert (len(sizes) > 5, max(sizes)) == (True, 64 * 1024)
    with ZipFile(io.BytesIO(whole)) as archive:
        assert json.loads(archive.read("data.json")) == taken


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
