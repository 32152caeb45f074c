"""Test the stream endpoint: who may open a stream, the response, and the frames."""

from __future__ import annotations

import time

import pytest

from tests.fixtures import sse
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import Server

STREAMS = ("/api/events", "/api/guilds/events")
TICK = 29.0  # s; a stream's tick comes within 27 s, and a slow machine may be late


@pytest.mark.parametrize("path", STREAMS)
def test_without_a_session_there_is_no_stream(server: Server, path: str) -> None:
    with sse.connect(server.port, path) as stream:
        headers = dict(stream.headers)

        assert (stream.status, stream.read_body()) == (401, b"Unauthorized")
        assert headers["content-type"] == "text/plain; charset=utf-8"


def test_an_unknown_cookie_opens_no_stream(server: Server) -> None:
    with sse.connect(server.port, "/api/events", "deskwire=made-up") as stream:
        assert stream.status == 401


@pytest.mark.parametrize("path", STREAMS)
def test_the_headers_prevent_buffering_by_proxies(guild: GuildFixture, path: str) -> None:
    with sse.connect(guild.server.port, path, guild.sign_in_staff()) as stream:
        headers = dict(stream.headers)

        assert stream.status == 200
        assert headers["content-type"] == "text/event-stream"
        assert headers["cache-control"] == "no-cache, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert headers["connection"] == "close"
        assert "content-encoding" not in headers
        assert "content-length" not in headers


def test_the_first_frame_comes_at_once_and_names_the_position(
    guild: GuildFixture,
) -> None:
    cookie = guild.sign_in_staff()
    asked_at = time.monotonic()
    with sse.connect(guild.server.port, "/api/events", cookie) as stream:
        first = stream.next_frame(timeout=1.0)

    assert time.monotonic() - asked_at < 1.0
    assert set(first.fields) == {"id", "data"}
    assert set(first.data) == {"type", "verdict", "position", "seat", "because", "channels"}
    assert (first.type, first.data["verdict"], first.data["because"]) == ("connected", "live", None)
    assert first.data["position"] == first.id
    assert first.data["seat"]
    channel_names = [name for name in first.data["channels"] if not name.startswith("user:")]
    assert channel_names == [guild.workspace, f"tickets:{guild.workspace}"]
    assert len(first.data["channels"]) == len(channel_names) + 1


def test_every_event_is_one_line_with_an_id_in_the_documented_shape(
    guild: GuildFixture,
) -> None:
    with guild.open_stream(guild.sign_in_staff()) as stream:
        guild.open_ticket(1, "Line one\nline two")
        guild.post_message(1, guild.bo, "Hello\n\nthere")
        events = stream.read_until(lambda sent: sent.type == "ticket.message_sent")

    assert [event.type for event in events] == ["ticket.created", "ticket.message_sent"]
    for event in events:
        assert set(event.fields) == {"id", "data"}
        assert set(event.data) == {"type", "data", "timestamp"}
        assert "\n" not in event.fields["data"]
    positions = [int(event.id.partition("-")[2]) for event in events]
    assert positions == sorted(set(positions))


def test_both_streams_send_the_same_guild_events(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    with (
        guild.open_stream(cookie) as all_,
        guild.open_stream(cookie, "/api/guilds/events") as guilds,
    ):
        guild.open_ticket(1, "Heard twice")

        assert all_.next_frame().fields == guilds.next_frame().fields


def test_a_head_request_checks_the_session_and_opens_no_stream(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    mark = guild.server.log.end

    alive = guild.server.request("HEAD", "/api/events", headers={"Cookie": cookie})
    ended = guild.server.request("HEAD", "/api/events")
    guild.open_ticket(1, "Nobody listens")

    assert (alive.status, alive.body) == (200, b"")
    assert alive.headers["content-type"] == "text/event-stream"
    assert ended.status == 401
    guild.server.log.wait_for_line(r"update to 0 clients \(ticket.created", after=mark)


def test_a_post_to_a_stream_is_refused(guild: GuildFixture) -> None:
    reply = guild.server.submit_form("/api/events", guild.sign_in_staff())

    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


def test_the_log_names_how_many_streams_an_event_reached(guild: GuildFixture) -> None:
    cookie = guild.sign_in_staff()
    mark = guild.server.log.end
    with guild.open_stream(cookie), guild.open_stream(cookie):
        guild.open_ticket(1, "Two clients")

        guild.server.log.wait_for_line(
            r"Broadcasting update to 2 clients \(ticket.created", after=mark
        )


@pytest.mark.slow
@pytest.mark.database("sqlite")  # half a minute, and no database has a part in it
def test_an_idle_stream_gets_a_heartbeat_and_a_tick_with_its_workspace(guild: GuildFixture) -> None:
    with guild.open_stream(guild.sign_in_staff()) as stream:
        before = stream.cursor

        heartbeat, tick = stream.read_raw_frame(timeout=TICK), stream.read_raw_frame()

    assert (heartbeat.comment, tick.name) == ("heartbeat", "tick")
    assert tick.id == tick.data["position"] == before
    assert abs(tick.data["time"] / 1000 - time.time()) < 5
