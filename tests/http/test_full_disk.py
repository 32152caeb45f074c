"""Test a server whose disk is full or whose database is locked: it says so, and recovers."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import PASSWORD, Server, running_server

pytestmark = pytest.mark.database("sqlite")  # PostgreSQL's disk is not ours to fill

START_TIMEOUT = 60.0  # s for a shell of its own on a busy machine
UNAVAILABLE_MESSAGE = "The database is unavailable right now. Try again in a moment."


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """No file of the server's can be written to any more."""
    soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def locked_database(server: Server) -> Iterator[None]:
    """Someone holds the database and does not let go."""
    with closing(sqlite3.connect(server.database_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def send_message(guild: GuildFixture, number: int) -> dict[str, object]:
    return {
        "guildId": guild.guild_id,
        "ticketId": 1001,
        "ticketNumber": 1,
        "messageId": str(number),
        "authorId": guild.bo.discord_id,
        "authorUsername": guild.bo.name,
        "messageType": "customer",
        "hasAttachments": False,
        "messageLength": 5,
        "content": f"Number {number}",
    }


def examine(server: Server) -> tuple[int, str]:
    """What `deskwire doctor` answers and prints."""
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", "doctor"],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def test_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        guild.open_ticket(1, "The disk is full")
        with guild.open_stream(cookie) as stream:
            first = server.post_event("ticket.message_sent", send_message(guild, 1), id_="1")
            assert first.status == 200
            stream.read_until_type("ticket.message_sent")

            with full_disk(server):
                refused = server.post_event("ticket.message_sent", send_message(guild, 2), id_="2")
                assert refused.status == 503
                assert json.loads(refused.message)["success"] is False
                page = server.get(f"/guilds/{guild.guild_id}/tickets/1", cookie)
                assert (page.status, "Number 1" in page.text) == (200, True)
                form = {"email": guild.ada.email, "password": PASSWORD}
                attempt = server.submit_form("/sign-in", source_address="127.0.77.1", **form)
                assert (attempt.status, attempt.headers["retry-after"]) == (503, "5")
                assert UNAVAILABLE_MESSAGE in attempt.text
                assert "sqlite" not in attempt.text.lower()
                assert "Traceback" not in attempt.text
                ready = server.get("/readyz")
                assert ready.status == 503
                assert "the database accepts no writes" in ready.text
                code, findings = examine(server)
                assert code == 1
                assert "is not ready: the database accepts no writes: disk I/O error" in findings

            again = server.post_event("ticket.message_sent", send_message(guild, 2), id_="2")
            assert again.status == 200
            heard = stream.read_until_type("ticket.message_sent")
            assert heard.data["data"]["messageId"] == "2"
            assert server.get("/readyz").status == 200
            assert server.submit_form("/sign-in", source_address="127.0.77.1", **form).status == 303
            timeline = server.get(f"/guilds/{guild.guild_id}/tickets/1", cookie).text
            assert [timeline.count(f"Number {number}") for number in (1, 2)] == [1, 1]


def test_a_locked_database_is_waited_for_and_then_reported(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        guild.open_ticket(1, "Somebody has a shell open")

        with locked_database(server):
            refused = server.post_event("ticket.message_sent", send_message(guild, 1), id_="1")
            assert refused.status == 503
            assert server.get(f"/guilds/{guild.guild_id}/tickets/1", cookie).status == 200
            assert "the database accepts no writes: it is locked" in server.get("/readyz").text

        assert (
            server.post_event("ticket.message_sent", send_message(guild, 1), id_="1").status == 200
        )
        server.log.wait_for_line(r"Broadcasting .*ticket\.message_sent")
        assert "Number 1" in server.get(f"/guilds/{guild.guild_id}/tickets/1", cookie).text
