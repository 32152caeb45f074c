"""Backup and restore as docs/operations.md says: copy a running desk, put the copy in its place."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from deskwire.integrations.discord.samples import sample
from deskwire.webhooks.deliveries import count_pending
from tests.fixtures import sse
from tests.fixtures.guild import Place
from tests.fixtures.server import Server, running
from tests.fixtures.stream_server import wait_until

pytestmark = pytest.mark.database("sqlite")  # PostgreSQL has `pg_dump` and `pg_restore`

AHEAD = 20  # messages written before the backup begins, and after it has ended


class Writer(Thread):
    """Writes messages as fast as they are answered, until it is told to stop."""

    def __init__(self, place: Place) -> None:
        super().__init__(daemon=True)
        self._place = place
        self.answered = 0  # messages, numbered from 1
        self.is_enough = Event()
        self.is_over = Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            number = self.answered + 1
            assert write(self._place, number) == 200
            self.answered = number
            if number >= AHEAD:
                self.is_enough.set()


def write(place: Place, number: int) -> int:
    data: dict[str, Any] = sample(
        "ticket.message_sent", guild=place.guild, ticket=1001, number=1, content=f"Line {number}."
    )
    data["messageId"] = str(number)
    return place.server.post("ticket.message_sent", data, id_=str(number)).status


def message_of(sent: sse.Sent) -> int | None:
    """The number of the message that an event tells of."""
    return int(sent.told["data"]["messageId"]) if sent.type == "ticket.message_sent" else None


def restore(server: Server, copy: Path) -> None:
    """The steps of the handbook, word for word."""
    server.stop()
    for end in ("", "-wal", "-shm"):
        file = server.database.with_name(server.database.name + end)
        if file.exists():
            file.rename(file.with_name(f"{file.name}.before-restore"))
    shutil.copy(copy, server.database)
    server.start()


def is_worked_off(server: Server) -> bool:
    with server.reading() as db:
        return db.read_here(count_pending) == 0


def read_lines(place: Place, cookie: str) -> list[int]:
    """The numbers of the messages on the ticket's page."""
    page = place.server.get(f"/guilds/{place.guild}/tickets/1", cookie).text
    return [int(part.partition(".")[0]) for part in page.split("Line ")[1:]]


def test_a_desk_restored_from_a_copy_goes_on_and_every_page_reloads(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        place = Place(server)
        cookie = place.staff()
        place.open_ticket(1, "A long story")
        writer = Writer(place)
        writer.start()
        assert writer.is_enough.wait(60)

        before = writer.answered
        server.command("backup", str(tmp_path / "copy.db"))
        after = writer.answered
        writer.is_over.set()
        writer.join(10)
        assert after > before  # it was written to meanwhile
        last = writer.answered + AHEAD
        with place.listen(cookie) as stream:
            for number in range(writer.answered + 1, last + 1):
                assert write(place, number) == 200
            stream.until(lambda sent: message_of(sent) == last)
            lost_future = stream.cursor

        restore(server, tmp_path / "copy.db")

        wait_until(lambda: is_worked_off(server))  # what the copy has kept and not understood yet
        kept = read_lines(place, cookie)
        assert kept == list(range(1, len(kept) + 1))  # a beginning, without a hole
        assert before <= len(kept) <= after + 1  # the last may not have been answered yet
        with sse.connect(server.port, "/api/events", cookie, lost_future) as stream:
            first, reset = stream.next(), stream.next()
            assert (first.told["verdict"], first.told["because"]) == ("reset", "epoch")
            assert reset.name == "reset"
            assert write(place, last) == 200  # a bot may send again what came after the copy
            stream.until(lambda sent: message_of(sent) == last)
        assert read_lines(place, cookie) == [*kept, last]
        assert server.get("/readyz").status == 200
