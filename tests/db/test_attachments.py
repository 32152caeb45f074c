"""Test attachments as rows and bytes: access, deletion, and cleanup."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from deskwire.events.log import log
from deskwire.kit.clock import HOUR, now
from deskwire.kit.errors import Forbidden, Invalid, NotFound, RateLimited, TooLarge
from deskwire.kit.ids import new_id
from deskwire.kit.store import DiskStore
from deskwire.server.erasure import Eraser
from deskwire.server.services import ACCESS
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import MessageInput
from deskwire.tickets.files.attachments import files, list_ticket_files, read_visible_file
from deskwire.tickets.files.cleanup import FileCleanup
from deskwire.tickets.files.uploads import MAX_UNSENT, Uploads, require_upload_access
from deskwire.workspaces.organizations.organizations import organization_members
from deskwire.workspaces.organizations.staff import upsert_staff_row
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, UNA, Persona
from tests.fixtures.files import FilesFixture
from tests.unit.test_thumbnails import bomb, drawn

LIMIT = 1_000_000  # bytes


class StoredFilesFixture(FilesFixture):
    """A desk with organizations and a file store."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = DiskStore(folder / "files")
        self.uploads = Uploads(self.db, self.store, LIMIT)

    async def upload(
        self, persona: Persona, content: bytes = b"hello", name: str = "a.txt", workspace: str = ""
    ) -> str:
        """The id of a new file."""
        stored = await self.uploads.save_upload(
            self.person_id(persona), workspace or self.northwind, name, once(content)
        )
        return stored.id

    def can_read(self, persona: Persona, file: str) -> bool:
        try:
            self.db.read_sync(read_visible_file, self.read_viewer(persona), file)
        except NotFound:
            return False
        return True

    def count_rows(self) -> int:
        return self.db.read_sync(
            lambda tx: tx.execute(select(func.count()).select_from(files)).scalar_one()
        )

    def read_row(self, id_: str) -> Any:
        return self.db.read_sync(
            lambda tx: tx.execute(select(files).where(files.c.id == id_)).one()
        )

    def list_stored_files(self) -> list[str]:
        return sorted(each.name for each in self.folder.glob("files/**/*") if each.is_file())

    async def sweep(self, later: int) -> None:
        await FileCleanup(self.db, self.store, lambda: now() + later).sweep()


@pytest.fixture
def stored_files(tmp_path: Path) -> Iterator[StoredFilesFixture]:
    stored = StoredFilesFixture(tmp_path)
    yield stored
    stored.db.close()


async def test_an_unsent_file_is_visible_to_its_uploader_only(
    stored_files: StoredFilesFixture,
) -> None:
    file = await stored_files.upload(BO)
    assert [who.name for who in (ADA, BO, CY, EVE, UNA) if stored_files.can_read(who, file)] == [
        BO.name
    ]

    ticket = stored_files.create_request(BO, stored_files.northwind, [file])

    can = [who.name for who in (ADA, BO, CY, EVE, UNA) if stored_files.can_read(who, file)]
    assert can == [ADA.name, BO.name, UNA.name]
    shown = stored_files.db.read_sync(list_ticket_files, ticket, include_notes=False)
    assert [each.id for of_message in shown.values() for each in of_message] == [file]


async def test_files_of_notes_are_visible_to_staff_only(stored_files: StoredFilesFixture) -> None:
    ticket = stored_files.create_request(BO, stored_files.northwind)
    file = await stored_files.upload(ADA)

    stored_files.post_files(ADA, ticket, [file], "note")

    can = [who.name for who in (ADA, BO, CY, EVE, UNA) if stored_files.can_read(who, file)]
    assert can == [ADA.name]
    assert stored_files.db.read_sync(list_ticket_files, ticket, include_notes=False) == {}


async def test_an_uploader_who_lost_the_request_cannot_read_its_file(
    stored_files: StoredFilesFixture,
) -> None:
    file = await stored_files.upload(CY, workspace=stored_files.tyrell)
    stored_files.create_request(CY, stored_files.tyrell, [file])

    mine = organization_members.c.person == stored_files.person_id(CY)
    stored_files.db.write_sync(lambda tx: tx.execute(delete(organization_members).where(mine)))

    assert not stored_files.can_read(CY, file)


async def test_a_file_can_be_sent_by_its_uploader_only(
    stored_files: StoredFilesFixture,
) -> None:
    file = await stored_files.upload(BO)

    with pytest.raises(Invalid, match="no longer available"):
        stored_files.create_request(CY, stored_files.tyrell, [file])

    assert not stored_files.can_read(CY, file)
    assert stored_files.can_read(BO, file)


async def test_a_file_can_be_sent_once(stored_files: StoredFilesFixture) -> None:
    file = await stored_files.upload(BO)
    ticket = stored_files.create_request(BO, stored_files.northwind, [file])

    with pytest.raises(Invalid, match="no longer available"):
        stored_files.post_files(BO, ticket, [file])


async def test_a_file_is_moved_to_the_organization_it_is_sent_in(
    stored_files: StoredFilesFixture,
) -> None:
    file = await stored_files.upload(ADA, workspace=stored_files.northwind)

    stored_files.create_request(ADA, stored_files.tyrell, [file])

    assert stored_files.read_row(file).workspace == stored_files.tyrell
    assert stored_files.can_read(CY, file)
    assert not stored_files.can_read(BO, file)


@pytest.mark.parametrize(
    "id_", ["", "x", "\0", "' OR 1=1 --", "01a21acc-52c6-74ab-a37b-faf27373c0da", "%", "x" * 10_000]
)
def test_an_invalid_id_is_not_found(stored_files: StoredFilesFixture, id_: str) -> None:
    assert not stored_files.can_read(ADA, id_)


def test_people_who_can_file_requests_can_upload_files(stored_files: StoredFilesFixture) -> None:
    def may(persona: Persona, workspace: str) -> bool:
        try:
            stored_files.db.read_sync(
                require_upload_access, ACCESS, stored_files.person_id(persona), workspace
            )
        except NotFound:
            return False
        return True

    assert may(BO, stored_files.northwind)
    assert may(ADA, stored_files.tyrell)
    assert not may(CY, stored_files.northwind)
    assert not may(EVE, stored_files.northwind)
    for target in (
        "",
        "org:",
        f"org:{new_id()}",
        "guild:1",
        "org:\0",
        stored_files.northwind + ":1",
    ):
        assert not may(ADA, target), target


async def test_an_image_has_a_thumbnail_and_its_size(stored_files: StoredFilesFixture) -> None:
    file = await stored_files.upload(BO, drawn(1000, 500, "PNG"), "crane.png")

    row = stored_files.read_row(file)
    assert (row.type, row.width, row.height, row.thumbnail) == ("image/png", 1000, 500, True)
    assert stored_files.list_stored_files() == [file, f"{file}.thumb"]


async def test_a_decompression_bomb_is_stored_but_never_decoded(
    stored_files: StoredFilesFixture,
) -> None:
    file = await stored_files.upload(BO, bomb(50_000, 50_000), "bomb.png")

    row = stored_files.read_row(file)
    assert (row.type, row.width, row.thumbnail) == ("image/png", None, False)


async def test_an_upload_that_is_too_large_leaves_nothing(stored_files: StoredFilesFixture) -> None:
    with pytest.raises(TooLarge):
        await stored_files.upload(BO, b"x" * (LIMIT + 1))

    assert (stored_files.count_rows(), stored_files.list_stored_files()) == (0, [])


async def test_a_cancelled_upload_leaves_nothing(stored_files: StoredFilesFixture) -> None:
    never, begun = asyncio.Event(), asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * 10_000
        begun.set()
        await never.wait()

    person = stored_files.person_id(BO)
    task = asyncio.create_task(
        stored_files.uploads.save_upload(person, stored_files.northwind, "x", stuck())
    )
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (stored_files.count_rows(), stored_files.list_stored_files()) == (0, [])


async def test_an_upload_whose_row_cannot_be_written_leaves_no_bytes(
    stored_files: StoredFilesFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RateLimited("Not now.", 1)

    monkeypatch.setattr("deskwire.tickets.files.uploads.insert_file_row", refuse)

    with pytest.raises(RateLimited):
        await stored_files.upload(BO, drawn(100, 100, "PNG"))

    assert stored_files.list_stored_files() == []


async def test_unsent_files_per_person_are_limited(
    stored_files: StoredFilesFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskwire.tickets.files.uploads.MAX_UNSENT", 3)
    assert MAX_UNSENT > 20  # as many as go with a message, some times

    done = await asyncio.gather(
        *(stored_files.upload(BO) for _ in range(6)), return_exceptions=True
    )

    assert sum(isinstance(each, RateLimited) for each in done) == 3
    assert stored_files.count_rows() == 3
    assert len(stored_files.list_stored_files()) == 3
    await stored_files.upload(UNA)  # others may


async def test_cleanup_deletes_unsent_files_after_a_day(
    stored_files: StoredFilesFixture,
) -> None:
    sent, unsent = await stored_files.upload(BO), await stored_files.upload(BO)
    stored_files.create_request(BO, stored_files.northwind, [sent])

    await stored_files.sweep(23 * HOUR)
    assert stored_files.count_rows() == 2

    await stored_files.sweep(25 * HOUR)
    assert not stored_files.can_read(BO, unsent)
    assert stored_files.list_stored_files() == [sent]


async def test_cleanup_deletes_the_bytes_of_a_deleted_message(
    stored_files: StoredFilesFixture,
) -> None:
    stored, gone = (
        await stored_files.upload(BO),
        await stored_files.upload(BO, drawn(99, 99, "PNG")),
    )
    ticket = stored_files.create_request(BO, stored_files.northwind, [stored])
    message = stored_files.post_files(BO, ticket, [gone])

    stored_files.delete_message(BO, ticket, message)
    assert not stored_files.can_read(BO, gone)

    await stored_files.sweep(25 * HOUR)
    assert stored_files.list_stored_files() == [stored]


async def test_a_sent_file_can_be_deleted_by_its_sender_and_by_moderators(
    stored_files: StoredFilesFixture,
) -> None:
    stored = await stored_files.upload(BO)
    secret, rude, noted = [
        await stored_files.upload(who, name="zanzibar.txt") for who in (BO, BO, ADA)
    ]
    ticket = stored_files.create_request(BO, stored_files.northwind, [stored, secret])
    message, note = (
        stored_files.post_files(BO, ticket, [rude]),
        stored_files.post_files(ADA, ticket, [noted], "note"),
    )
    stored_files.db.write_sync(
        upsert_staff_row, stored_files.person_id(MO), "operations_manager", stored_files.now
    )

    def remove(persona: Persona, file: str) -> None:
        stored_files.db.write_sync(
            post_message.delete_file, stored_files.actor(persona), ticket, file
        )

    for actor, file, refusal in (
        (UNA, secret, Forbidden), (ADA, secret, Forbidden), (CY, secret, NotFound),
        (BO, noted, NotFound), (BO, new_id(), NotFound),
    ):  # fmt: skip
        with pytest.raises(refusal):
            remove(actor, file)
    remove(BO, secret)
    remove(MO, rude)
    remove(ADA, noted)

    left = stored_files.db.read_sync(list_ticket_files, ticket, include_notes=True)
    assert [each.id for some in left.values() for each in some] == [stored]
    await Eraser(stored_files.db, stored_files.store, []).sweep()
    query = select(log.c.type, log.c.data).order_by(log.c.position)
    rows = stored_files.db.read_sync(lambda tx: tx.execute(query).all())
    assert not [data for _, data in rows if "zanzibar" in data]
    removed = [json.loads(data) for type_, data in rows if type_ == "ticket.file_removed"]
    assert [each["file"] for each in removed] == [secret, rude, noted]
    assert removed[0]["revision"] < removed[1]["revision"] == removed[2]["revision"]
    texts = stored_files.db.read_sync(messages.read_timeline_rows, ticket, include_notes=True)
    assert {message, note} <= {row.id for row in texts}


async def test_a_message_without_text_is_deleted_with_its_only_file(
    stored_files: StoredFilesFixture,
) -> None:
    ticket, file = (
        stored_files.create_request(BO, stored_files.northwind),
        await stored_files.upload(BO),
    )
    written = MessageInput(new_id(), "", "reply", [file])
    stored_files.db.write_sync(post_message.post_message, stored_files.actor(BO), ticket, written)

    stored_files.db.write_sync(post_message.delete_file, stored_files.actor(BO), ticket, file)

    rows = stored_files.db.read_sync(messages.read_timeline_rows, ticket, include_notes=True)
    assert written.id not in {row.id for row in rows}


async def test_cleanup_keeps_recent_bytes_without_a_row(
    stored_files: StoredFilesFixture,
) -> None:
    stored_files.create_request(BO, stored_files.northwind, [await stored_files.upload(BO)])
    arriving = new_id()
    await stored_files.store.put(arriving, once(b"x"))

    await stored_files.sweep(23 * HOUR)
    assert arriving in stored_files.list_stored_files()

    await stored_files.sweep(25 * HOUR)
    assert arriving not in stored_files.list_stored_files()


async def test_cleanup_does_not_empty_the_store_of_an_empty_database(
    stored_files: StoredFilesFixture,
) -> None:
    file = await stored_files.upload(BO)
    stored_files.db.write_sync(lambda tx: tx.execute(delete(files)))

    await stored_files.sweep(25 * HOUR)

    assert stored_files.list_stored_files() == [file]


async def test_cleanup_deletes_many_old_files_in_batches(stored_files: StoredFilesFixture) -> None:
    stored = await stored_files.upload(BO)
    stored_files.create_request(BO, stored_files.northwind, [stored])
    ids = [new_id() for _ in range(500)]
    row = stored_files.read_row(stored)._asdict() | {"message": None, "ticket": None}
    rows = [row | {"id": each} for each in ids]
    stored_files.db.write_sync(lambda tx: tx.execute(files.insert(), rows))
    for each in ids:
        await stored_files.store.put(each, once(b"x"))
    stored_files.db.write_sync(lambda tx: tx.execute(update(files).values(created_at=0)))

    await stored_files.sweep(25 * HOUR)

    assert (stored_files.count_rows(), stored_files.list_stored_files()) == (1, [stored])


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content
