"""Test the header timeout: slow connections (slowloris) are closed, and no others."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deskwire.server.header_timeout import CHECK_TICKS, HEADER_TIMEOUT, HeaderTimeout
from tests.fixtures.guild import GuildFixture
from tests.fixtures.hub import EPOCH
from tests.fixtures.server import running_server
from tests.fixtures.stream_server import (
    LOOPS,
    StreamServerFixture,
    read_all,
    read_until,
    wait_until,
)

pytestmark = pytest.mark.database("sqlite")  # none is used

ASKED = b"GET /other HTTP/1.1\r\nHost: desk\r\n\r\n"
HALF = b"GET /other HTTP/1.1\r\nHost: de"
STREAM = b"GET /stream HTTP/1.1\r\nHost: desk\r\n\r\n"


class HeaderTimeoutFixture:
    """A HeaderTimeout with a settable clock, checked when a test asks."""

    def __init__(self, stream_server: StreamServerFixture) -> None:
        self._stream_server = stream_server
        self._now = 0.0
        self._header_timeout = HeaderTimeout(
            stream_server.connections, HEADER_TIMEOUT, lambda: self._now
        )

    def pass_time(self, seconds: float) -> None:
        """Check now, and again that many seconds later."""
        self._stream_server.call_in_loop(self._header_timeout.close_expired)
        self._now += seconds
        self._stream_server.call_in_loop(self._header_timeout.close_expired)


@pytest.fixture(params=LOOPS)
def stream_server(request: pytest.FixtureRequest) -> Iterator[StreamServerFixture]:
    with StreamServerFixture(request.param) as started:
        yield started


@pytest.fixture
def header_timeout(stream_server: StreamServerFixture) -> HeaderTimeoutFixture:
    return HeaderTimeoutFixture(stream_server)


def wait_for_connections(stream_server: StreamServerFixture, count: int = 1) -> None:
    """Wait until uvicorn has seen that many connections."""
    wait_until(lambda: stream_server.call_in_loop(lambda: len(stream_server.connections)) == count)


def test_incomplete_headers_are_closed_with_a_408(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture
) -> None:
    with stream_server.connect(HALF) as connection:
        wait_until(
            lambda: stream_server.call_in_loop(
                lambda: any(each.scope for each in stream_server.connections)
            )
        )
        header_timeout.pass_time(HEADER_TIMEOUT)

        assert read_all(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_connection_that_sends_nothing_is_closed_silently(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture
) -> None:
    with stream_server.connect(b"") as connection:
        wait_for_connections(stream_server)
        header_timeout.pass_time(HEADER_TIMEOUT)

        assert read_all(connection) == b""


@pytest.mark.parametrize("rest", [HALF, b"\r\n", b"G"])
def test_the_timeout_restarts_after_a_response(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture, rest: bytes
) -> None:
    with stream_server.connect(ASKED) as connection:
        read_until(connection, b"ok")
        connection.sendall(rest)
        wait_until(
            lambda: stream_server.call_in_loop(
                lambda: all(not each.timeout_keep_alive_task for each in stream_server.connections)
            )
        )
        header_timeout.pass_time(HEADER_TIMEOUT)

        assert b"200" not in read_all(connection)


def test_headers_in_time_are_answered(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture
) -> None:
    with stream_server.connect(HALF) as connection:
        wait_for_connections(stream_server)
        header_timeout.pass_time(HEADER_TIMEOUT - 0.1)
        connection.sendall(b"sk\r\n\r\n")

        assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200 OK")


def test_each_request_has_a_timeout_of_its_own(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture
) -> None:
    with stream_server.connect(HALF) as connection:
        wait_for_connections(stream_server)
        for _ in range(3):
            header_timeout.pass_time(HEADER_TIMEOUT - 0.1)
            connection.sendall(b"sk\r\n\r\n" + HALF)
            assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200 OK")


def test_streams_are_not_timed_out(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture
) -> None:
    with stream_server.connect(STREAM) as connection:
        read_until(connection, b"\n\n")
        header_timeout.pass_time(10 * HEADER_TIMEOUT)

        position = stream_server.publish()
        read_until(connection, f"\nid: {EPOCH}-{position}\n\n".encode())


def test_closed_connections_are_released(
    stream_server: StreamServerFixture, header_timeout: HeaderTimeoutFixture
) -> None:
    def is_clean() -> bool:
        gc.collect()  # uvicorn's own protocol and request are a ring
        return not any(stream_server.count_leaked().values())

    for request in (HALF, ASKED):
        with stream_server.connect(request):
            wait_for_connections(stream_server)
            header_timeout.pass_time(0)
        wait_until(is_clean)


@pytest.mark.slow
def test_the_server_checks_periodically(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        guild = GuildFixture(server)
        cookie = guild.sign_in_staff()
        with guild.open_stream(cookie) as stream, closing(socket.socket()) as half:
            half.settimeout(HEADER_TIMEOUT + 3 * CHECK_TICKS / 10)
            half.connect(("127.0.0.1", server.port))
            half.sendall(HALF)

            assert read_all(half).startswith(b"HTTP/1.1 408")

            guild.open_ticket(1, "Still there")
            stream.read_until_type("ticket.created")
