"""Test a trimmed log: a client from before its beginning reloads, and misses nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from deskwire.events.consumers.store import read_slowest_position
from deskwire.events.log import read_head
from deskwire.kit.clock import DAY
from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import Server, running_server
from tests.fixtures.stream_server import wait_until

TRIMMED = r"deleted \d+ log entries older than 90 days"


def stop_when_planned(server: Server) -> None:
    """Stop the server once its consumers have read the log: they hold what they have not read."""

    def is_planned(tx: Connection) -> bool:
        return (read_slowest_position(tx) or 0) >= read_head(tx)

    with server.open_database() as db:
        wait_until(lambda: db.read_sync(is_planned))
    server.stop()


def pass_days(server: Server, days: int) -> None:
    """Everything the stopped server knows happened that much longer ago."""

    def age(tx: Connection) -> None:
        for table, column in (("log", "at"), ("deliveries", "handled_at")):
            tx.exec_driver_sql(f"UPDATE {table} SET {column} = {column} - {days * DAY}")
        tx.exec_driver_sql(f"UPDATE deliveries SET signed_at = signed_at - {days * DAY}")

    with server.open_database() as db:
        db.write_sync(age)


def test_a_cursor_from_before_the_trim_is_told_to_reload(
    tmp_path: Path, server_command: tuple[str, ...]
) -> None:
    with running_server(tmp_path, server_command) as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        with guild.open_stream(cookie) as before:
            guild.open_ticket(1, "Long ago")
            before.read_until_type("ticket.created")
        guild.open_ticket(2, "Missed, long ago")
        stop_when_planned(server)
        pass_days(server, 91)
        mark = server.log.end
        server.start()
        server.log.wait_for_line(TRIMMED, after=mark)
        guild.open_ticket(3, "Today")

        with sse.connect(server.port, "/api/events", cookie, before.cursor) as stream:
            first, reset = stream.next_frame(), stream.next_frame()
            guild.open_ticket(4, "From here on")
            heard = stream.read_until_type("ticket.created")

        assert (first.data["verdict"], first.data["because"]) == ("reset", "behind")
        assert reset.name == "reset"
        assert heard.data["data"]["subject"] == "From here on"
        epoch, _, position = before.cursor.partition("-")
        assert first.id == f"{epoch}-{int(position) + 2}"  # positions go on where they were
        page = server.get(f"/guilds/{guild.guild_id}/tickets", cookie).text
        for subject in ("Long ago", "Missed, long ago", "Today", "From here on"):
            assert subject in page


def test_the_cli_and_the_pages_work_after_the_log_was_trimmed(
    tmp_path: Path, server_command: tuple[str, ...]
) -> None:
    with running_server(tmp_path, server_command, LOG_DAYS="1", DELIVERY_DAYS="1") as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        guild.open_ticket(1, "Long ago")
        stop_when_planned(server)
        pass_days(server, 2)
        mark = server.log.end
        server.start()
        server.log.wait_for_line("deleted 3 settled deliveries older than 1 day", after=mark)

        assert server.run_command_line("events", "tail", "--no-follow") == ""
        assert server.run_command_line("deliveries", "list").count("\n") == 1  # its heading
        assert server.get(f"/guilds/{guild.guild_id}", cookie).status == 200
        guild.close_ticket(1)
        assert "ticket.closed" in server.run_command_line(
            "events", "tail", "--after", "0", "--no-follow"
        )
        assert "Recent activity" in server.get(f"/guilds/{guild.guild_id}", cookie).text
        assert server.get("/readyz").status == 200
