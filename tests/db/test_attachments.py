"""Files as rows and bytes: who has them, what goes with them, and what the keeper takes away."""

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
from deskwire.kit.errors import Forbidden, Invalid, NotFound, TooLarge, TooMany
from deskwire.kit.ids import new_id
from deskwire.kit.store import Disk
from deskwire.server.services import ACCESS
from deskwire.tickets import messages
from deskwire.tickets.actions import post_message
from deskwire.tickets.actions.post_message import Written
from deskwire.tickets.files.attachments import files, read_of_ticket, read_shown
from deskwire.tickets.files.cleanup import Keeper
from deskwire.tickets.files.uploads import MAX_UNSENT, Uploads, read_uploader
from deskwire.workspaces.organizations.organizations import employ, organization_members
from tests.fixtures.cast import ADA, BO, CY, EVE, MO, UNA, Actor
from tests.fixtures.files import FilesHouse
from tests.unit.test_thumbnails import bomb, drawn

LIMIT = 1_000_000  # bytes


class Cellar(FilesHouse):
    """The house with a store."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = Disk(folder / "files")
        self.uploads = Uploads(self.db, self.store, LIMIT)

    async def upload(
        self, actor: Actor, content: bytes = b"hello", name: str = "a.txt", place: str = ""
    ) -> str:
        """The id of a new file."""
        kept = await self.uploads.keep(
            self.id_of(actor), place or self.northwind, name, once(content)
        )
        return kept.id

    def may_have(self, actor: Actor, file: str) -> bool:
        try:
            self.db.read_here(read_shown, self.viewer(actor), file)
        except NotFound:
            return False
        return True

    def count(self) -> int:
        return self.db.read_here(
            lambda tx: tx.execute(select(func.count()).select_from(files)).scalar_one()
        )

    def row(self, id_: str) -> Any:
        return self.db.read_here(
            lambda tx: tx.execute(select(files).where(files.c.id == id_)).one()
        )

    def bytes_kept(self) -> list[str]:
        return sorted(each.name for each in self.folder.glob("files/**/*") if each.is_file())

    async def sweep(self, later: int) -> None:
        await Keeper(self.db, self.store, lambda: now() + later).sweep()


@pytest.fixture
def cellar(tmp_path: Path) -> Iterator[Cellar]:
    house = Cellar(tmp_path)
    yield house
    house.db.close()


async def test_a_file_is_its_uploaders_alone_until_it_is_sent(cellar: Cellar) -> None:
    file = await cellar.upload(BO)
    assert [who.name for who in (ADA, BO, CY, EVE, UNA) if cellar.may_have(who, file)] == [BO.name]

    ticket = cellar.file(BO, cellar.northwind, [file])

    can = [who.name for who in (ADA, BO, CY, EVE, UNA) if cellar.may_have(who, file)]
    assert can == [ADA.name, BO.name, UNA.name]
    shown = cellar.db.read_here(read_of_ticket, ticket, notes=False)
    assert [each.id for of_message in shown.values() for each in of_message] == [file]


async def test_files_of_notes_are_the_teams(cellar: Cellar) -> None:
    ticket = cellar.file(BO, cellar.northwind)
    file = await cellar.upload(ADA)

    cellar.write(ADA, ticket, [file], "note")

    can = [who.name for who in (ADA, BO, CY, EVE, UNA) if cellar.may_have(who, file)]
    assert can == [ADA.name]
    assert cellar.db.read_here(read_of_ticket, ticket, notes=False) == {}


async def test_an_uploader_who_no_longer_sees_the_request_has_the_file_no_longer(
    cellar: Cellar,
) -> None:
    file = await cellar.upload(CY, place=cellar.tyrell)
    cellar.file(CY, cellar.tyrell, [file])

    mine = organization_members.c.person == cellar.id_of(CY)
    cellar.db.write_here(lambda tx: tx.execute(delete(organization_members).where(mine)))

    assert not cellar.may_have(CY, file)


async def test_nobody_sends_what_somebody_else_has_uploaded(cellar: Cellar) -> None:
    file = await cellar.upload(BO)

    with pytest.raises(Invalid, match="gone"):
        cellar.file(CY, cellar.tyrell, [file])

    assert not cellar.may_have(CY, file)
    assert cellar.may_have(BO, file)


async def test_a_file_is_sent_once(cellar: Cellar) -> None:
    file = await cellar.upload(BO)
    ticket = cellar.file(BO, cellar.northwind, [file])

    with pytest.raises(Invalid, match="gone"):
        cellar.write(BO, ticket, [file])


async def test_a_file_moves_to_the_organization_it_is_sent_in(cellar: Cellar) -> None:
    file = await cellar.upload(ADA, place=cellar.northwind)

    cellar.file(ADA, cellar.tyrell, [file])

    assert cellar.row(file).workspace == cellar.tyrell
    assert cellar.may_have(CY, file)
    assert not cellar.may_have(BO, file)


@pytest.mark.parametrize(
    "id_", ["", "x", "\0", "' OR 1=1 --", "01a21acc-52c6-74ab-a37b-faf27373c0da", "%", "x" * 10_000]
)
def test_an_id_that_is_none_is_not_found(cellar: Cellar, id_: str) -> None:
    assert not cellar.may_have(ADA, id_)


def test_who_may_file_somewhere_may_upload_there(cellar: Cellar) -> None:
    def may(actor: Actor, place: str) -> bool:
        try:
            cellar.db.read_here(read_uploader, ACCESS, cellar.id_of(actor), place)
        except NotFound:
            return False
        return True

    assert may(BO, cellar.northwind)
    assert may(ADA, cellar.tyrell)
    assert not may(CY, cellar.northwind)
    assert not may(EVE, cellar.northwind)
    for place in ("", "org:", f"org:{new_id()}", "guild:1", "org:\0", cellar.northwind + ":1"):
        assert not may(ADA, place), place


async def test_a_picture_has_a_small_one_and_its_size(cellar: Cellar) -> None:
    file = await cellar.upload(BO, drawn(1000, 500, "PNG"), "crane.png")

    row = cellar.row(file)
    assert (row.type, row.width, row.height, row.thumbnail) == ("image/png", 1000, 500, True)
    assert cellar.bytes_kept() == [file, f"{file}.thumb"]


async def test_a_bomb_is_kept_as_a_file_and_never_opened(cellar: Cellar) -> None:
    file = await cellar.upload(BO, bomb(50_000, 50_000), "bomb.png")

    row = cellar.row(file)
    assert (row.type, row.width, row.thumbnail) == ("image/png", None, False)


async def test_what_is_too_large_leaves_nothing(cellar: Cellar) -> None:
    with pytest.raises(TooLarge):
        await cellar.upload(BO, b"x" * (LIMIT + 1))

    assert (cellar.count(), cellar.bytes_kept()) == (0, [])


async def test_what_is_cancelled_leaves_nothing(cellar: Cellar) -> None:
    never, begun = asyncio.Event(), asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield b"x" * 10_000
        begun.set()
        await never.wait()

    person = cellar.id_of(BO)
    task = asyncio.create_task(cellar.uploads.keep(person, cellar.northwind, "x", stuck()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (cellar.count(), cellar.bytes_kept()) == (0, [])


async def test_a_row_that_cannot_be_written_leaves_no_bytes(
    cellar: Cellar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TooMany("Not now.", 1)

    monkeypatch.setattr("deskwire.tickets.files.uploads.record", refuse)

    with pytest.raises(TooMany):
        await cellar.upload(BO, drawn(100, 100, "PNG"))

    assert cellar.bytes_kept() == []


async def test_nobody_heaps_up_files_that_are_never_sent(
    cellar: Cellar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deskwire.tickets.files.uploads.MAX_UNSENT", 3)
    assert MAX_UNSENT > 20  # as many as go with a message, some times

    done = await asyncio.gather(*(cellar.upload(BO) for _ in range(6)), return_exceptions=True)

    assert sum(isinstance(each, TooMany) for each in done) == 3
    assert cellar.count() == 3
    assert len(cellar.bytes_kept()) == 3
    await cellar.upload(UNA)  # others may


async def test_the_keeper_takes_what_was_never_sent_after_a_day(cellar: Cellar) -> None:
    sent, unsent = await cellar.upload(BO), await cellar.upload(BO)
    cellar.file(BO, cellar.northwind, [sent])

    await cellar.sweep(23 * HOUR)
    assert cellar.count() == 2

    await cellar.sweep(25 * HOUR)
    assert not cellar.may_have(BO, unsent)
    assert cellar.bytes_kept() == [sent]


async def test_the_bytes_of_a_deleted_message_go_by_the_keeper(cellar: Cellar) -> None:
    kept, gone = await cellar.upload(BO), await cellar.upload(BO, drawn(99, 99, "PNG"))
    ticket = cellar.file(BO, cellar.northwind, [kept])
    message = cellar.write(BO, ticket, [gone])

    cellar.erase(BO, ticket, message)
    assert not cellar.may_have(BO, gone)

    await cellar.sweep(25 * HOUR)
    assert cellar.bytes_kept() == [kept]


async def test_a_single_file_goes_by_who_sent_it_or_a_moderator_with_its_name_in_the_log(
    cellar: Cellar,
) -> None:
    kept = await cellar.upload(BO)
    secret, rude, noted = [await cellar.upload(who, name="zanzibar.txt") for who in (BO, BO, ADA)]
    ticket = cellar.file(BO, cellar.northwind, [kept, secret])
    message, note = cellar.write(BO, ticket, [rude]), cellar.write(ADA, ticket, [noted], "note")
    cellar.db.write_here(employ, cellar.id_of(MO), "operations_manager", cellar.at)

    def remove(actor: Actor, file: str) -> None:
        cellar.db.write_here(post_message.remove_file, cellar.deed(actor), ticket, file)

    for actor, file, refusal in (
        (UNA, secret, Forbidden), (ADA, secret, Forbidden), (CY, secret, NotFound),
        (BO, noted, NotFound), (BO, new_id(), NotFound),
    ):  # fmt: skip
        with pytest.raises(refusal):
            remove(actor, file)
    remove(BO, secret)
    remove(MO, rude)
    remove(ADA, noted)

    left = cellar.db.read_here(read_of_ticket, ticket, notes=True)
    assert [each.id for some in left.values() for each in some] == [kept]
    told = cellar.db.read_here(lambda tx: tx.execute(select(log.c.type, log.c.data)).all())
    assert not [data for _, data in told if "zanzibar" in data]
    removed = [json.loads(data) for type_, data in told if type_ == "ticket.file_removed"]
    assert [each["file"] for each in removed] == [secret, rude, noted]
    assert removed[0]["revision"] < removed[1]["revision"] == removed[2]["revision"]
    texts = cellar.db.read_here(messages.read_rows, ticket, notes=True)
    assert {message, note} <= {row.id for row in texts}


async def test_a_message_that_was_nothing_but_its_file_goes_with_it(cellar: Cellar) -> None:
    ticket, file = cellar.file(BO, cellar.northwind), await cellar.upload(BO)
    written = Written(new_id(), "", "reply", [file])
    cellar.db.write_here(post_message.say, cellar.deed(BO), ticket, written)

    cellar.db.write_here(post_message.remove_file, cellar.deed(BO), ticket, file)

    rows = cellar.db.read_here(messages.read_rows, ticket, notes=True)
    assert written.id not in {row.id for row in rows}


async def test_bytes_that_wait_for_their_row_are_left_alone(cellar: Cellar) -> None:
    cellar.file(BO, cellar.northwind, [await cellar.upload(BO)])
    arriving = new_id()
    await cellar.store.put(arriving, once(b"x"))

    await cellar.sweep(23 * HOUR)
    assert arriving in cellar.bytes_kept()

    await cellar.sweep(25 * HOUR)
    assert arriving not in cellar.bytes_kept()


async def test_a_database_that_names_no_file_empties_no_store(cellar: Cellar) -> None:
    file = await cellar.upload(BO)
    cellar.db.write_here(lambda tx: tx.execute(delete(files)))

    await cellar.sweep(25 * HOUR)

    assert cellar.bytes_kept() == [file]


async def test_a_great_many_old_files_go_part_by_part(cellar: Cellar) -> None:
    kept = await cellar.upload(BO)
    cellar.file(BO, cellar.northwind, [kept])
    ids = [new_id() for _ in range(500)]
    row = cellar.row(kept)._asdict() | {"message": None, "ticket": None}
    rows = [row | {"id": each} for each in ids]
    cellar.db.write_here(lambda tx: tx.execute(files.insert(), rows))
    for each in ids:
        await cellar.store.put(each, once(b"x"))
    cellar.db.write_here(lambda tx: tx.execute(update(files).values(created_at=0)))

    await cellar.sweep(25 * HOUR)

    assert (cellar.count(), cellar.bytes_kept()) == (1, [kept])


async def once(content: bytes) -> AsyncIterator[bytes]:
    yield content
