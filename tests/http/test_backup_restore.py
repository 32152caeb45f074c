"""Test backup and restore as docs/operations.md describes them, on a running desk."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from deskwire.integrations.discord.samples import build_sample_data
from deskwire.webhooks.deliveries import count_pending
from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import Server, running_server
from tests.fixtures.stream_server import wait_until

pytestmark = pytest.mark.database("sqlite")  # PostgreSQL has `pg_dump` and `pg_restore`

AHEAD = 20  # messages written before the backup begins, and after it has ended


class Writer(Thread):
    """Post messages as fast as they are answered, until it is stopped."""

    def __init__(self, guild: GuildFixture) -> None:
        super().__init__(daemon=True)
        self._place = guild
        self.answered = 0  # messages, numbered from 1
        self.is_enough = Event()
        self.is_over = Event()

    def run(self) -> None:
        while not self.is_over.is_set():
            number = self.answered + 1
            assert post_numbered_message(self._place, number) == 200
            self.answered = number
            if number >= AHEAD:
                self.is_enough.set()


def post_numbered_message(guild: GuildFixture, number: int) -> int:
    data: dict[str, Any] = build_sample_data(
        "ticket.message_sent",
        guild=guild.guild_id,
        ticket=1001,
        number=1,
        content=f"Line {number}.",
    )
    data["messageId"] = str(number)
    return guild.server.post_event("ticket.message_sent", data, id_=str(number)).status


def message_of(sent: sse.Frame) -> int | None:
    """The number of the message that an event tells of."""
    return int(sent.data["data"]["messageId"]) if sent.type == "ticket.message_sent" else None


def restore(server: Server, copy: Path) -> None:
    """The steps of the handbook, word for word."""
    server.stop()
    for end in ("", "-wal", "-shm"):
        file = server.database_file.with_name(server.database_file.name + end)
        if file.exists():
            file.rename(file.with_name(f"{file.name}.before-restore"))
    shutil.copy(copy, server.database_file)
    server.start()


def is_worked_off(server: Server) -> bool:
    with server.open_database() as db:
        return db.read_sync(count_pending) == 0


def read_lines(guild: GuildFixture, cookie: str) -> list[int]:
    """The numbers of the messages on the ticket's page."""
    page = guild.server.get(f"/guilds/{guild.guild_id}/tickets/1", cookie).text
    return [int(part.partition(".")[0]) for part in page.split("Line ")[1:]]


def test_after_a_restore_the_desk_continues_and_every_page_reloads(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        guild.open_ticket(1, "A long story")
        writer = Writer(guild)
        writer.start()
        assert writer.is_enough.wait(60)

        before = writer.answered
        server.run_command_line("backup", str(tmp_path / "copy.db"))
        after = writer.answered
        writer.is_over.set()
        writer.join(10)
        assert after > before  # it was written to meanwhile
        last = writer.answered + AHEAD
        with guild.open_stream(cookie) as stream:
            for number in range(writer.answered + 1, last + 1):
                assert post_numbered_message(guild, number) == 200
            stream.read_until(lambda sent: message_of(sent) == last)
            lost_future = stream.cursor

        restore(server, tmp_path / "copy.db")

        wait_until(lambda: is_worked_off(server))  # what the copy has kept and not understood yet
        lines = read_lines(guild, cookie)
        assert lines == list(range(1, len(lines) + 1))  # a beginning, without a hole
        assert before <= len(lines) <= after + 1  # the last may not have been answered yet
        with sse.connect(server.port, "/api/events", cookie, lost_future) as stream:
            first, reset = stream.next_frame(), stream.next_frame()
            assert (first.data["verdict"], first.data["because"]) == ("reset", "epoch")
            assert reset.name == "reset"
            assert (
                post_numbered_message(guild, last) == 200
            )  # a bot may send again what came after the copy
            stream.read_until(lambda sent: message_of(sent) == last)
        assert read_lines(guild, cookie) == [*lines, last]
        assert server.get("/readyz").status == 200
