"""Test how streams end: each is given the reason, and none outlives its session or process."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import PASSWORD, running_server

MOST = 8  # STREAMS_PER_PERSON where nothing is set
SHUTDOWN = 2.0  # s from SIGTERM to the end of the process


def farewell(stream: sse.SseClient) -> dict[str, object]:
    """Return the data of the last frame of a stream that must end."""
    last = stream.read_rest()[-1]
    assert last.name == "goodbye"
    return last.data


def test_the_oldest_of_too_many_streams_is_closed_with_a_reason(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with ExitStack() as stack:
        streams = [stack.enter_context(guild.open_stream(cookie)) for _ in range(MOST + 1)]

        assert farewell(streams[0]) == {"reason": "too-many-streams"}

        guild.open_ticket(1, "For all the others")
        for stream in streams[1:]:
            assert stream.next_frame().type == "ticket.created"


def test_signing_out_ends_every_stream_of_the_session_and_no_other(guild: GuildFixture) -> None:
    desk = guild.sign_in_staff()
    phone = guild.server.sign_in(guild.ada.email)
    with (
        guild.open_stream(desk) as one,
        guild.open_stream(desk) as two,
        guild.open_stream(phone) as other,
    ):
        assert guild.server.submit_form("/sign-out", desk).status == 303

        assert farewell(one) == farewell(two) == {"reason": "signed-out"}
        guild.open_ticket(1, "For the phone")
        other.read_until_type("ticket.created")
    with sse.connect(guild.server.port, "/api/events", desk) as again:
        assert again.status == 401


def test_a_new_password_ends_the_streams_of_every_other_session(guild: GuildFixture) -> None:
    desk = guild.sign_in_staff()
    phone = guild.server.sign_in(guild.ada.email)
    with guild.open_stream(phone) as stream:
        form = {"current": PASSWORD, "password": "a much better battery staple"}
        reply = guild.server.submit_form("/settings/password", desk, **form)

        assert reply.status == 303
        assert farewell(stream) == {"reason": "signed-out"}
    fresh = reply.headers["set-cookie"].partition(";")[0]
    with guild.open_stream(fresh) as stream:
        guild.open_ticket(1, "For the new session")
        stream.read_until_type("ticket.created")


def test_a_closed_stream_is_forgotten(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with guild.open_stream(cookie), guild.open_stream(cookie):
        pass
    mark = guild.server.log.end
    with guild.open_stream(cookie) as stream:
        guild.open_ticket(1, "For one")
        stream.read_until_type("ticket.created")

    guild.server.log.wait_for_line(r"update to 1 client \(ticket.created", after=mark)


def test_at_shutdown_each_stream_is_given_its_own_reconnect_delay(
    tmp_path: Path, server_command: tuple[str, ...]
) -> None:
    with (
        running_server(tmp_path, server_command, STREAMS_PER_PERSON="60") as server,
        ExitStack() as stack,
    ):
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        streams = [stack.enter_context(guild.open_stream(cookie)) for _ in range(50)]

        seconds, code = server.stop()

        assert (seconds < SHUTDOWN, code) == (True, 0)
        waits = []
        for stream in streams:
            retry, goodbye = stream.read_rest()
            assert goodbye.data == {"reason": "restart", "retry": int(retry.fields["retry"])}
            waits.append(goodbye.data["retry"])
        assert len(set(waits)) == len(waits)
        assert min(waits) >= 500
