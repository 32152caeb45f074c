"""Test streams on a socket taken over from uvicorn: correct bytes, and nothing left behind.

These are the cases that a prototype, or uvicorn's own streaming, got wrong: a pipelined request
changed which cycle was taken over, bytes after the request were answered into the stream, a
half-closed client kept its subscription, a drain waited forever.
"""

from __future__ import annotations

import gc
import inspect
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http import httptools_impl

from deskwire.realtime.uvicorn_takeover import SEND_BUFFER_BYTES, WRITE_BUFFER_BYTES
from tests.fixtures.hub import EPOCH
from tests.fixtures.server import SOURCES, find_free_port
from tests.fixtures.stream_server import (
    LOOPS,
    StreamServerFixture,
    read_all,
    read_until,
    wait_until,
)

pytestmark = pytest.mark.database("sqlite")  # none is used

HOST = b"Host: desk\r\n"
STREAM = b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n"
OTHER = b"GET /other HTTP/1.1\r\n" + HOST + b"\r\n"
ONE_EVENT = b'"type":"ticket.updated"'
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@pytest.fixture(params=[f"{loop} {tls}" for loop in LOOPS for tls in ("plain", "tls")])
def stream_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StreamServerFixture]:
    loop, tls = request.param.split()
    with StreamServerFixture(loop, tmp_path if tls == "tls" else None) as started:
        yield started


@pytest.fixture(params=LOOPS)
def plain_stream_server(request: pytest.FixtureRequest) -> Iterator[StreamServerFixture]:
    with StreamServerFixture(request.param) as started:
        yield started


def expect_event(
    stream_server: StreamServerFixture, connection: socket.socket, after: bytes = b""
) -> bytes:
    """Say one event, and read until it is here."""
    position = stream_server.publish()
    return after + read_until(connection, f"\nid: {EPOCH}-{position}\n\n".encode())


def is_clean(stream_server: StreamServerFixture) -> bool:
    """Whether nothing of any request or stream is left, without the collector's help."""
    return not any(stream_server.count_leaked().values())


def split_answer(answer: bytes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Status line, headers, body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    pairs = (line.partition(b": ") for line in lines)
    return first, {name: value for name, _, value in pairs}, body


def test_the_body_is_the_bare_frames_and_ends_with_the_connection(
    stream_server: StreamServerFixture,
) -> None:
    with stream_server.connect(STREAM) as connection:
        answer = read_until(connection, b"\n\n")
        first, headers, body = split_answer(answer)

        assert first == b"HTTP/1.1 200 OK"
        assert headers[b"content-type"] == b"text/event-stream"
        assert headers[b"connection"] == b"close"
        assert headers[b"x-added"] == b"by middleware"
        assert not headers.keys() & {b"transfer-encoding", b"content-length"}
        assert body.startswith(b"data: ")
        assert b"\r" not in body + expect_event(stream_server, connection)


def test_an_http_1_0_client_gets_the_same_stream(stream_server: StreamServerFixture) -> None:
    with stream_server.connect(b"GET /stream HTTP/1.0\r\n\r\n") as connection:
        _, headers, body = split_answer(read_until(connection, b"\n\n"))

        assert b"transfer-encoding" not in headers
        assert body.startswith(b"data: ")
        expect_event(stream_server, connection)


def test_head_opens_nothing(stream_server: StreamServerFixture) -> None:
    with stream_server.connect(b"HEAD /stream HTTP/1.1\r\n" + HOST + b"\r\n") as connection:
        first, _, body = split_answer(read_all(connection))

    assert (first, body) == (b"HTTP/1.1 200 OK", b"")
    assert not stream_server.subscriptions


def test_a_request_that_expects_100_continue_becomes_a_stream_at_once(
    stream_server: StreamServerFixture,
) -> None:
    expecting = b"GET /stream HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n"
    with stream_server.connect(expecting) as connection:
        answer = read_until(connection, b"\n\n")

        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        expect_event(stream_server, connection)


def test_bytes_after_a_stream_request_are_ignored(
    stream_server: StreamServerFixture,
) -> None:
    half = b"GET /stream HTTP/1.1\r\n" + HOST + b"Content-Length: 10\r\n\r\nhello"
    with stream_server.connect(half) as connection:
        answer = read_until(connection, b"\n\n")
        connection.sendall(b"world" + OTHER + b"\x00 this is not HTTP \xff\r\n\r\n")
        answer = expect_event(stream_server, connection, answer)
        answer = expect_event(stream_server, connection, answer)

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.count(ONE_EVENT) == 2


def test_a_kept_connection_becomes_a_stream_and_outlives_its_keep_alive(
    stream_server: StreamServerFixture,
) -> None:
    with stream_server.connect(OTHER) as connection:
        assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200 OK")
        connection.sendall(STREAM)
        read_until(connection, b"\n\n")
        idle = threading.Event()
        stream_server.call_in_loop(
            lambda: stream_server.call_later(1.5, idle.set)
        )  # the keep-alive of this server is 1 s
        assert idle.wait(10)

        expect_event(stream_server, connection)


def test_a_pipelined_request_changes_nothing_about_the_stream(
    stream_server: StreamServerFixture,
) -> None:
    with stream_server.connect(STREAM + OTHER) as connection:
        answer = expect_event(stream_server, connection, read_until(connection, b"\n\n"))

        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"transfer-encoding" not in answer
    wait_until(lambda: not stream_server.subscriptions)
    wait_until(lambda: is_clean(stream_server))


def test_a_stream_behind_a_pipelined_request_waits_for_its_response(
    stream_server: StreamServerFixture,
) -> None:
    with stream_server.connect(OTHER + STREAM) as connection:
        answer = expect_event(stream_server, connection, read_until(connection, b"\n\n"))

        assert answer.index(b"ok") < answer.index(b"text/event-stream")
        assert answer.count(ONE_EVENT) == 1


def test_a_half_closed_reader_counts_as_disconnected(
    plain_stream_server: StreamServerFixture,
) -> None:
    with plain_stream_server.connect(STREAM) as connection:
        read_until(connection, b"\n\n")
        connection.shutdown(socket.SHUT_WR)

        wait_until(lambda: not plain_stream_server.subscriptions)
        assert read_all(connection) == b""


@pytest.mark.parametrize("ending", ["close", "reset", "half", "with a request behind"])
def test_an_ended_stream_leaves_nothing_behind(
    stream_server: StreamServerFixture, ending: str
) -> None:
    gc.collect()
    gc.disable()  # what only the collector could free would pile up between its rounds
    try:
        for _ in range(5):
            connection = stream_server.connect(
                STREAM + OTHER if ending.startswith("with") else STREAM
            )
            expect_event(stream_server, connection, read_until(connection, b"\n\n"))
            if ending == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if ending == "half":
                connection.shutdown(socket.SHUT_WR)
            connection.close()
        wait_until(lambda: is_clean(stream_server))
    finally:
        gc.enable()


def test_an_open_stream_keeps_nothing_of_its_request(
    plain_stream_server: StreamServerFixture,
) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            read_until(stack.enter_context(plain_stream_server.connect(STREAM)), b"\n\n")

        counts = plain_stream_server.count_leaked()

    assert (counts.pop("TransportWriter"), counts.pop("Subscription")) == (3, 3)
    assert not any(counts.values()), counts


def test_a_goodbye_is_sent_before_the_connection_ends(stream_server: StreamServerFixture) -> None:
    with stream_server.connect(STREAM) as connection:
        read_until(connection, b"\n\n")
        stream_server.hub_fixture.sessions.clear()
        stream_server.call_in_loop(
            lambda: stream_server.hub_fixture.publish("guild:1", access_changes=("user:ada",))
        )

        assert b'event: goodbye\ndata: {"reason":"signed-out"}' in read_all(connection)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("other", ["", "and one that is kept", "and one that stopped reading"])
def test_a_drain_ends_every_stream_within_a_second(loop: str, other: str) -> None:
    with StreamServerFixture(loop) as wire, ExitStack() as stack:
        streams = [stack.enter_context(wire.connect(STREAM)) for _ in range(5)]
        for each in streams:
            read_until(each, b"\n\n")
        if other.endswith("kept"):
            read_until(stack.enter_context(wire.connect(OTHER)), b"ok")
        if other.endswith("reading"):
            read_until(stack.enter_context(wire.connect(STREAM, receive_bytes=4096)), b"\n\n")
            fill_buffers(wire)
            for each in streams:
                read_until(each, b'"timestamp":%d}' % wire.hub_fixture.hub.buffer.head)

        assert wire.stop() < 1.0

        retries = {frame_field(read_all(each), b"retry: ") for each in streams}
        assert len(retries) == 5


def test_a_drain_tolerates_streams_whose_clients_are_disconnecting(
    stream_server: StreamServerFixture,
) -> None:
    streams = [stream_server.connect(STREAM) for _ in range(20)]
    for each in streams:
        read_until(each, b"\n\n")
    for each in streams:
        each.close()

    assert stream_server.stop() < 1.0  # and whatever its thread raised fails this test


def test_a_stalled_reader_uses_bounded_memory_in_process_and_kernel(
    plain_stream_server: StreamServerFixture,
) -> None:
    with plain_stream_server.connect(STREAM, receive_bytes=4096) as connection:
        read_until(connection, b"\n\n")
        fill_buffers(plain_stream_server)
        (subscription,) = plain_stream_server.subscriptions

        assert subscription.is_paused
        writer: Any = subscription.writer
        transport = writer.transport
        assert transport.get_write_buffer_size() <= WRITE_BUFFER_BYTES + 64 * 1024
        taken = transport.get_extra_info("socket")
        # Linux doubles what it is asked for, to have room for its own books (socket(7)).
        assert taken.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER_BYTES

        heard = b""
        head = f"\nid: {EPOCH}-{plain_stream_server.hub_fixture.hub.buffer.head}\n\n".encode()
        while head not in heard:  # it reads again, and has missed nothing
            heard = heard + connection.recv(65536)
        assert heard.count(ONE_EVENT) == len(plain_stream_server.hub_fixture.log)


def test_streams_do_not_count_towards_the_connection_limit() -> None:
    with StreamServerFixture("uvloop", limit_concurrency=4) as wire, ExitStack() as stack:
        for _ in range(8):
            read_until(stack.enter_context(wire.connect(STREAM)), b"\n\n")

        with wire.connect(OTHER) as connection:
            assert read_until(connection, b"ok").startswith(b"HTTP/1.1 200 OK")
        assert len(wire.subscriptions) == 8


def test_a_reloading_server_ends_its_streams_first(tmp_path: Path) -> None:
    source = tmp_path / "watched.py"
    source.write_text("# before\n")
    port = find_free_port()
    command = [sys.executable, "-m", "tests.fixtures.reloading_server", str(port), str(tmp_path)]
    paths = {"PYTHONPATH": f"{SOURCES}{os.pathsep}{SOURCES.parent}"}
    process = subprocess.Popen(command, env={**os.environ, **paths}, stderr=subprocess.DEVNULL)
    try:
        with connect_to(port) as connection:
            read_until(connection, b"connected")
            source.write_text("# after, and a different size\n")

            assert b'event: goodbye\ndata: {"reason":"restart"' in read_all(connection)
        with connect_to(port) as connection:
            read_until(connection, b"connected")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)


def connect_to(port: int) -> socket.socket:
    """A stream on a server that may not listen yet, or may be on its way out."""
    answers: list[socket.socket] = []

    def answers_us() -> bool:
        try:
            connection = socket.create_connection(("127.0.0.1", port), 10)
            connection.sendall(STREAM)
            if connection.recv(1, socket.MSG_PEEK):
                answers.append(connection)
        except OSError:
            return False
        return bool(answers)

    wait_until(answers_us, timeout=60)
    return answers[0]


def test_a_stream_is_in_the_access_log(
    plain_stream_server: StreamServerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.INFO, "uvicorn.access"),
        plain_stream_server.connect(STREAM) as connection,
    ):
        read_until(connection, b"\n\n")

    assert any('"GET /stream HTTP/1.1" 200' in record.getMessage() for record in caplog.records)


UVICORN_ANSWERED = """
    if not more_body:
        if self.expected_content_length != 0:
            raise RuntimeError("Response content shorter than Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
"""


def test_the_pinned_uvicorn_has_the_internals_that_the_takeover_needs() -> None:
    cycle = inspect.getsource(httptools_impl.RequestResponseCycle)
    protocol = inspect.getsource(httptools_impl.HttpToolsProtocol)

    assert "if self.disconnected:\n            return" in cycle
    assert "elif not self.response_complete and not self.disconnected:" in cycle
    assert "if self.chunked_encoding is None and" in cycle
    assert "self.cycle = RequestResponseCycle(\n            scope=self.scope," in protocol
    assert "if exc is None:\n            self.transport.close()" in protocol
    answered = cycle.partition("# Handle response completion")[2].partition("else:")[0]
    assert answered.split() == UVICORN_ANSWERED.split()
    assert "self.connections = server_state.connections" in protocol


def fill_buffers(stream_server: StreamServerFixture) -> None:
    """Say so much that a reader who stopped is full."""
    for _ in range(200):
        stream_server.call_in_loop(
            lambda: [stream_server.hub_fixture.publish("guild:1") for _ in range(100)]
        )
        if any(subscription.is_paused for subscription in stream_server.subscriptions):
            return
    raise AssertionError("nobody was ever full")


def frame_field(body: bytes, name: bytes) -> int:
    """The number behind `name` in a body."""
    return int(body.partition(name)[2].partition(b"\n")[0])
