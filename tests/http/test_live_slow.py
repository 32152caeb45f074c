"""A reader who stops: nobody waits for it, it is let go, and it is told so when it returns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import sse
from tests.place import Place
from tests.server import running

WINDOW = 32 * 1024 * 1024  # bytes of frames the server keeps for those who are behind
LARGE = 400_000  # bytes; an event the door just takes
LET_GO = 30.0  # s; a seat's beat, at which it is noticed, comes within 27 s


@pytest.mark.slow
@pytest.mark.database("sqlite")  # half a minute, and no database has a part in it
def test_a_reader_who_falls_out_of_the_window_is_let_go_and_told_on_return(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        place = Place(server)
        cookie = place.staff()
        slow = sse.connect(server.port, "/api/events", cookie, receive_bytes=4096)
        with slow, place.listen(cookie) as quick:
            assert slow.next().type == "connected"
            for number in range(WINDOW // LARGE + 20):
                place.tell("guild.setup_complete", number=number, padding="x" * LARGE)
                assert quick.next().told["data"]["number"] == number  # nobody waits for the slow

            server.log.wait_for("a stream was let go: its reader is too slow", within=LET_GO)
            heard = [frame.told["data"]["number"] for frame in slow.rest()]

        assert heard == list(range(len(heard)))
        with sse.connect(server.port, "/api/events", cookie, slow.cursor) as back:
            first = back.next()
            assert (first.told["verdict"], first.told["because"]) == ("resumed", "slow")
            assert back.next().told["data"]["number"] == len(heard)


def test_a_reader_who_reads_again_in_time_has_missed_nothing(place: Place) -> None:
    cookie = place.staff()
    with sse.connect(place.server.port, "/api/events", cookie, receive_bytes=4096) as slow:
        assert slow.next().type == "connected"
        count = 20  # times LARGE: more than sockets take, less than the window
        for number in range(count):
            place.tell("guild.setup_complete", number=number, padding="x" * LARGE)

        heard = [slow.next().told["data"]["number"] for _ in range(count)]

    assert heard == list(range(count))
