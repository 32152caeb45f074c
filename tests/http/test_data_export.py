"""Test the data export: an archive of everything stored about a person, with their files."""

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

from deskwire.events.erasure import list_erasures
from deskwire.kit.store import DiskStore
from deskwire.kit.zip_writer import ZipWriter
from deskwire.tickets.actions import update
from deskwire.tickets.data_export import stream_archive
from deskwire.workspaces.organizations.organizations import organization_members
from deskwire.workspaces.organizations.staff import upsert_staff_row
from tests.fixtures.cast import ADA, BO, CY, MO, UNA, Persona
from tests.fixtures.erasure import find_marker
from tests.fixtures.files_site import FilesSiteFixture
from tests.fixtures.site import SIGNED_IN_HEADER, open_browser
from tests.unit.test_thumbnails import drawn

PICTURE = drawn(300, 200, "PNG")
NAMES = ("the mast_.png", "a.txt", "a.txt")

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture
def files_site(tmp_path: Path) -> Iterator[FilesSiteFixture]:
    site = FilesSiteFixture(tmp_path)
    yield site
    site.desk.db.close()


def test_the_export_has_the_files_of_the_person_and_no_others(files_site: FilesSiteFixture) -> None:
    sent = [files_site.sent(BO, PICTURE, "the mast?.png"), files_site.sent(BO, b"one", "a.txt")]
    sent.append(files_site.upload(BO, b"two", "a.txt").json()["href"])
    files_site.sent(UNA, b"not his", "b.txt")
    open_browser(files_site, BO).post("/settings/avatar", files={"avatar": ("me.png", PICTURE)})
    lost = files_site.sent(BO, b"three", "lost.txt")
    (next(files_site.desk.folder.glob(f"files/??/{lost.rpartition('/')[2]}"))).unlink()

    answer = open_browser(files_site, BO).get("/settings/data")

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


def test_the_export_excludes_requests_no_longer_visible(files_site: FilesSiteFixture) -> None:
    desk, shown = files_site.desk, {"tickets": 1, "messages": 2, "files": 1}
    files_site.sent(ADA, b"salaries", "internal.txt", "note")
    files_site.sent(ADA, b"an answer", "answer.txt")
    files_site.sent(BO, b"a plan", "plan.txt")
    before = {each: read_export(files_site, each) for each in (ADA, BO)}
    for actor in (ADA, BO):
        mine = organization_members.c.person == desk.person_id(actor)
        desk.db.write_sync(Connection.execute, delete(organization_members).where(mine))
    unsent = files_site.upload(CY, b"mine", workspace=desk.tyrell).json()["id"]
    desk.add_member(desk.northwind.partition(":")[2], ADA)  # as a client, who reads no notes

    as_client, nobody = read_export(files_site, ADA), read_export(files_site, BO)

    assert count_entries(before[ADA]) == {"tickets": 0, "messages": 2, "files": 2}
    assert count_entries(before[BO]) == shown
    assert count_entries(as_client) == {"tickets": 0, "messages": 1, "files": 1}
    assert [each["name"] for each in as_client["files"]] == ["answer.txt"]
    assert {each["kind"] for each in as_client["messages"]} == {"reply"}
    assert count_entries(nobody) == dict.fromkeys(shown, 0)
    assert [each["id"] for each in read_export(files_site, CY)["files"]] == [unsent]


def test_the_export_lacks_a_deleted_request_even_before_it_is_erased(
    files_site: FilesSiteFixture,
) -> None:
    desk, marker = files_site.desk, "zauberkran"
    kept = desk.create_request(BO, desk.northwind)
    files_site.sent(BO, marker.encode(), f"{marker}.txt")
    assert files_site.ticket in json.dumps(read_export(files_site, BO))

    desk.db.write_sync(upsert_staff_row, desk.person_id(MO), "super_admin", desk.now)
    desk.db.write_sync(update.delete_request, desk.actor(MO), files_site.ticket)

    assert desk.db.read_sync(list_erasures, 0), "no service runs here: nothing is erased yet"
    assert "files.name" in find_marker(desk.db, marker)
    data = read_export(files_site, BO)
    assert [each["id"] for each in data["tickets"]] == [kept]
    assert files_site.ticket not in json.dumps(data)
    assert marker not in json.dumps(data)


def read_export(filed: FilesSiteFixture, persona: Persona) -> dict[str, Any]:
    """The `data.json` that someone downloads, which names every file in the archive."""
    with ZipFile(io.BytesIO(open_browser(filed, persona).get("/settings/data").content)) as archive:
        data: dict[str, Any] = json.loads(archive.read("data.json"))
        assert archive.namelist() == [*(each["path"] for each in data["files"]), "data.json"]
    return data


def count_entries(data: dict[str, Any]) -> dict[str, int]:
    return {name: len(data[name]) for name in ("tickets", "messages", "files")}


def test_exports_are_limited_to_one_at_a_time_and_five_an_hour(
    files_site: FilesSiteFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    files_site.sent(BO, b"one", "a.txt")
    files_site.sent(UNA, b"two", "b.txt")
    store, meanwhile = files_site.site.uploads.store, list[Any]()
    read = store.open

    async def ask_again(key: str) -> AsyncIterator[bytes]:
        if not meanwhile:
            meanwhile.append(None)
            for each in (BO, UNA):
                meanwhile.append(
                    await run_sync(open_browser(files_site, each).get, "/settings/data")
                )
        return await read(key)

    monkeypatch.setattr(store, "open", ask_again)
    codes = [open_browser(files_site, BO).get("/settings/data").status_code for _ in range(6)]
    refused = open_browser(files_site, BO).get("/settings/data")

    _, second, of_another = meanwhile
    assert (second.status_code, of_another.status_code) == (429, 200)
    assert "already being downloaded" in second.text
    assert int(second.headers["retry-after"]) > 0
    assert codes == [200] * 5 + [429]
    assert "Try again in 60 minutes." in refused.text
    assert open_browser(files_site, BO).head("/settings/data").status_code == 200


def test_a_cancelled_export_can_be_repeated(files_site: FilesSiteFixture) -> None:
    files_site.sent(BO, b"one", "a.txt")

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        await sleep_forever()

    async def hang_up() -> None:
        headers = [(SIGNED_IN_HEADER.encode(), BO.email.encode())]
        scope = {"type": "http", "method": "GET", "path": "/settings/data", "headers": headers}
        await files_site.app({**scope, "query_string": b"", "app": files_site.app}, receive, send)

    run(hang_up)

    assert open_browser(files_site, BO).get("/settings/data").status_code == 200


async def test_no_data_is_serialized_or_compressed_on_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy, sizes, make = list[threading.Thread](), list[int](), zlib.compressobj

    class Content(dict[str, Any]):
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
    taken = Content(made_at="2026-11-27T09:00:00+00:00", person={}, files=[], messages=[message])

    whole = b"".join([part async for part in stream_archive(DiskStore(tmp_path), taken, None)])

    assert threading.main_thread() not in busy
    assert (len(sizes) > 5, max(sizes)) == (True, 64 * 1024)
    with ZipFile(io.BytesIO(whole)) as archive:
        assert json.loads(archive.read("data.json")) == taken


async def test_an_archive_is_streamed_while_it_is_built() -> None:
    archive, at = ZipWriter(), datetime(2026, 11, 27, tzinfo=UTC)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield bytes(64 * 1024)

    parts = [
        part async for part in archive.add_file("zeros", at, 64**2 * 1024, chunks(), compress=False)
    ]
    whole = b"".join([*parts, archive.finish()])

    assert max(map(len, parts)) < 65 * 1024
    with ZipFile(io.BytesIO(whole)) as read:
        assert read.read("zeros") == bytes(64**2 * 1024)
