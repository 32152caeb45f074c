"""Connections that do not finish asking: closed in time, and nobody else is."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deskwire.server.header_timeout import LOOK_TICKS, WITHIN, Heads
from tests.fixtures.guild import Place
from tests.fixtures.server import running
from tests.fixtures.stream_server import LOOPS, Wire, read_all, read_until, wait_until

pytestmark = pytest.mark.database("sqlite")  # none is used

ASKED = b"GET /other HTTP/1.1\r\nHost: desk\r\n\r\n"
HALF = b"GET /other HTTP/1.1\r\nHost: de"
STREAM = b"GET /stream HTTP/1.1\r\nHost: desk\r\n\r\n"


class Watch:
    """The heads of a wire, looked at when a test says so, on a clock of its own."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._now = 0.0
        self._heads = Heads(wire.connections, WITHIN, lambda: self._now)

    def pass_time(self, seconds: float) -> None:
        """Look now, and again after that long."""
        self._wire.do(self._heads.look)
        self._now += seconds
        self._wire.do(self._heads.look)


@pytest.fixture(params=LOOPS)
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    with Wire(request.param) as started:
        yield started


@pytest.fixture
def watch(wire: Wire) -> Watch:
    return Watch(wire)


def is_told(wire: Wire, count: int = 1) -> None:
    """That many connections are there, for uvicorn to see."""
    wait_until(lambda: wire.do(lambda: len(wire.connections)) == count)


def test_half_a_head_is_closed_and_told_why(wire: Wire, watch: Watch) -> None:
    with wire.open(HALF) as connection:
        wait_until(lambda: wire.do(lambda: any(each.scope for each in wire.connections)))
        watch.pass_time(WITHIN)

        assert read_all(connection).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_who_only_connected_is_closed_without_a_word(wire: Wire, watch: Watch) -> None:
    with wire.open(b"") as connection:
        is_told(wire)
        watch.pass_time(WITHIN)

        assert read_all(connection) == b""


@pytest.mark.parametrize("rest", [HALF, b"\r\n", b"G"])
def test_the_head_after_an_answer_has_the_same_time(wire: Wire, watch: Watch, rest: bytes) -> None:
    with wire.open(ASKED) as connection:
        read_until(connection, b"ok")
        connection.sendall(rest)
        wait_until(
            lambda: wire.do(
                lambda: all(not each.timeout_keep_alive_task for each in wire.connections)
            )
        )
        watch.pass_time(WITHIN)

        assert b"200" not in read_all(connection)


def test_who_is_in_time_is_answered(wire: Wire, watch: Watch) -> None:
    with wire.open(HALF) as connection:
        is_told(wire)
        watch.pass_time(WITHIN - 0.1)
        connection.sendall(b"sk\r\n\r\n")

        assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200 OK")


def test_each_head_has_a_time_of_its_own(wire: Wire, watch: Watch) -> None:
    with wire.open(HALF) as connection:
        is_told(wire)
        for _ in range(3):
            watch.pass_time(WITHIN - 0.1)
            connection.sendall(b"sk\r\n\r\n" + HALF)
            assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200 OK")


def test_a_stream_is_not_looked_at(wire: Wire, watch: Watch) -> None:
    with wire.open(STREAM) as connection:
        read_until(connection, b"\n\n")
        watch.pass_time(10 * WITHIN)

        position = wire.say()
        read_until(connection, b'"timestamp":%d}\n\n' % position)


def test_nothing_is_held_of_a_connection_that_ended(wire: Wire, watch: Watch) -> None:
    def is_clean() -> bool:
        gc.collect()  # uvicorn's own protocol and request are a ring
        return not any(wire.left_over().values())

    for request in (HALF, ASKED):
        with wire.open(request):
            is_told(wire)
            watch.pass_time(0)
        wait_until(is_clean)


@pytest.mark.slow
def test_the_server_looks_by_itself(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        place = Place(server)
        cookie = place.staff()
        with place.listen(cookie) as stream, closing(socket.socket()) as half:
            half.settimeout(WITHIN + 3 * LOOK_TICKS / 10)
            half.connect(("127.0.0.1", server.port))
            half.sendall(HALF)

            assert read_all(half).startswith(b"HTTP/1.1 408")

            place.open_ticket(1, "Still there")
            stream.until_type("ticket.created")
