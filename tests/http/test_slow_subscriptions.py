"""Test a client that stops reading: it delays no one, is disconnected, and learns why on return."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import running_server

BUFFER_BYTES = 32 * 1024 * 1024  # bytes of frames the server keeps for those who are behind
LARGE = 400_000  # bytes; an event the door just takes
FLOOD = 8_000_000  # bytes; twice what Linux takes for a socket whose reader has stopped
SHUTDOWN = 2.0  # s from SIGTERM to the end of the process
CLOSE_TIMEOUT = 30.0  # s; the heartbeat that notices it comes within 27 s


@pytest.mark.slow
@pytest.mark.database("sqlite")  # half a minute, and no database has a part in it
def test_a_client_that_falls_out_of_the_buffer_is_disconnected_and_told_why(
    tmp_path: Path,
) -> None:
    with running_server(tmp_path) as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        slow = sse.connect(server.port, "/api/events", cookie, receive_bytes=4096)
        with slow, guild.open_stream(cookie) as quick:
            assert slow.next_frame().type == "connected"
            for number in range(BUFFER_BYTES // LARGE + 20):
                guild.send_event("guild.setup_complete", number=number, padding="x" * LARGE)
                assert (
                    quick.next_frame().data["data"]["number"] == number
                )  # no one waits for the slow

            server.log.wait_for_line(
                "closed a stream whose reader is too slow", timeout=CLOSE_TIMEOUT
            )
            heard = [frame.data["data"]["number"] for frame in slow.read_rest()]

        assert heard == list(range(len(heard)))
        with sse.connect(server.port, "/api/events", cookie, slow.cursor) as back:
            first = back.next_frame()
            assert (first.data["verdict"], first.data["because"]) == ("resumed", "slow")
            assert back.next_frame().data["data"]["number"] == len(heard)


def test_a_reader_that_resumes_in_time_misses_nothing(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with sse.connect(guild.server.port, "/api/events", cookie, receive_bytes=4096) as slow:
        assert slow.next_frame().type == "connected"
        count = 20  # times LARGE: more than sockets take, less than the buffer
        for number in range(count):
            guild.send_event("guild.setup_complete", number=number, padding="x" * LARGE)

        heard = [slow.next_frame().data["data"]["number"] for _ in range(count)]

    assert heard == list(range(count))


def test_a_stalled_reader_does_not_delay_the_shutdown(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        guild = GuildFixture(server)
        with sse.connect(
            server.port, "/api/events", guild.sign_in_staff(), receive_bytes=4096
        ) as stream:
            assert stream.next_frame().type == "connected"
            for _ in range(FLOOD // LARGE):
                guild.send_event("guild.setup_complete", whatever="y" * LARGE)

            seconds, code = server.stop()

    assert (seconds < SHUTDOWN, code) == (True, 0)


def test_a_stalled_reader_is_cut_off_once_its_session_ends(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with sse.connect(guild.server.port, "/api/events", cookie, receive_bytes=4096) as stream:
        assert stream.next_frame().type == "connected"
        for _ in range(FLOOD // LARGE):
            guild.send_event("guild.setup_complete", whatever="y" * LARGE)

        mark = guild.server.log.end
        guild.server.submit_form("/sign-out", cookie)
        guild.server.log.wait_for_line("aborted a paused stream", after=mark)

        # What the kernel had taken may still come; the rest, and an orderly end, do not.
        assert len(stream.read_rest()) < FLOOD // LARGE
