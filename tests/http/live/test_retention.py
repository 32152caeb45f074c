"""A log that was trimmed: who comes back from before its beginning reloads, and misses nothing."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from deskwire.kit.clock import DAY
from tests.fixtures import sse
from tests.fixtures.guild import Place
from tests.fixtures.server import Server, running

TRIMMED = r"entries of the log older than 90 days were deleted: \d+"


def pass_days(server: Server, days: int) -> None:
    """Everything the stopped server knows happened that much longer ago."""

    def age(tx: Connection) -> None:
        for table, column in (("log", "at"), ("deliveries", "handled_at")):
            tx.exec_driver_sql(f"UPDATE {table} SET {column} = {column} - {days * DAY}")
        tx.exec_driver_sql(f"UPDATE deliveries SET signed_at = signed_at - {days * DAY}")

    with server.reading() as db:
        db.write_here(age)


def test_a_cursor_from_before_the_trim_is_told_to_reload(
    tmp_path: Path, way: tuple[str, ...]
) -> None:
    with running(tmp_path, way) as server:
        place = Place(server)
        cookie = place.staff()
        with place.listen(cookie) as before:
            place.open_ticket(1, "Long ago")
            before.until_type("ticket.created")
        place.open_ticket(2, "Missed, long ago")
        server.stop()
        pass_days(server, 91)
        mark = server.log.mark
        server.start()
        server.log.wait_for(TRIMMED, after=mark)
        place.open_ticket(3, "Today")

        with sse.connect(server.port, "/api/events", cookie, before.cursor) as stream:
            first, reset = stream.next(), stream.next()
            place.open_ticket(4, "From here on")
            heard = stream.until_type("ticket.created")

        assert (first.told["verdict"], first.told["because"]) == ("reset", "behind")
        assert reset.name == "reset"
        assert heard.told["data"]["subject"] == "From here on"
        epoch, _, position = before.cursor.partition("-")
        assert first.id == f"{epoch}-{int(position) + 2}"  # positions go on where they were
        page = server.get(f"/guilds/{place.guild}/tickets", cookie).text
        for subject in ("Long ago", "Missed, long ago", "Today", "From here on"):
            assert subject in page


def test_the_shell_and_the_pages_go_on_over_a_trimmed_log(
    tmp_path: Path, way: tuple[str, ...]
) -> None:
    with running(tmp_path, way, LOG_DAYS="1", DELIVERY_DAYS="1") as server:
        place = Place(server)
        cookie = place.staff()
        place.open_ticket(1, "Long ago")
        server.stop()
        pass_days(server, 2)
        mark = server.log.mark
        server.start()
        server.log.wait_for("settled deliveries older than 1 day were deleted: 3", after=mark)

        assert server.command("events", "tail", "--no-follow") == ""
        assert server.command("deliveries", "list").count("\n") == 1  # its heading
        assert server.get(f"/guilds/{place.guild}", cookie).status == 200
        place.close(1)
        assert "ticket.closed" in server.command("events", "tail", "--after", "0", "--no-follow")
        assert "Recent activity" in server.get(f"/guilds/{place.guild}", cookie).text
        assert server.get("/readyz").status == 200
