"""Test a server whose strangers are slow or send too much: others are served meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deskwire.integrations.discord.signature import WEBHOOK_PATH
from deskwire.kit.clock import now
from deskwire.kit.head_limit import MAX_HEAD_BYTES
from deskwire.webhooks.body_budget import MAX_BODIES
from tests.fixtures.server import Server, running_server
from tests.fixtures.stream_server import read_all, read_until
from tests.http.live.conftest import SERVER_COMMANDS

pytestmark = pytest.mark.database("sqlite")  # none is used

STRANGER = "127.0.0.2"


@pytest.fixture(scope="module", params=SERVER_COMMANDS)
def either_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server with the takeover, and one without."""
    folder = tmp_path_factory.mktemp("slow_senders")
    with running_server(folder, SERVER_COMMANDS[request.param]) as started:
        yield started


def unsigned_head(timestamp: int) -> bytes:
    lines = (
        f"POST {WEBHOOK_PATH} HTTP/1.1",
        "Host: x",
        "Content-Length: 1000",
        "Expect: 100-continue",  # the server answers 100 when it waits for the body
        f"X-Webhook-Timestamp: {timestamp}",
        "X-Webhook-Signature: sha256=" + "0" * 64,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def connect_from(stack: ExitStack, server: Server, address: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), 10, (address, 0))
    return stack.enter_context(connection)


def test_unsigned_senders_without_a_body_do_not_block_deliveries(either_server: Server) -> None:
    with ExitStack() as stack:
        strangers = [connect_from(stack, either_server, STRANGER) for _ in range(MAX_BODIES)]
        for each in strangers:
            each.sendall(unsigned_head(now()))
            assert each.recv(1024).startswith(b"HTTP/1.1 100 ")

        answer = either_server.post_event("guild.left", {"guildId": "1"})

        assert answer.is_accepted, answer


def test_a_stale_timestamp_is_refused_before_the_body(either_server: Server) -> None:
    with ExitStack() as stack:
        connection = connect_from(stack, either_server, STRANGER)
        connection.sendall(unsigned_head(now() - 10 * 60_000))

        assert connection.recv(1024).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "start",
    [b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", b"GET /"],
    ids=["lines", "one line", "address"],
)
def test_endless_headers_are_refused(either_server: Server, start: bytes) -> None:
    # Not a byte more than the server reads before it refuses: a reset could outrun the answer.
    padding = b"a: b\r\n" if start.endswith(b"\n") else b"abcdef"
    head = start + padding * (MAX_HEAD_BYTES // len(padding) + 1)
    with ExitStack() as stack:
        connection = connect_from(stack, either_server, STRANGER)
        connection.sendall(head[: MAX_HEAD_BYTES + 1])

        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


def test_endless_trailers_are_refused(either_server: Server) -> None:
    head = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailers = b"a: b\r\n" * (MAX_HEAD_BYTES // 6 + 1)
    with ExitStack() as stack:
        connection = connect_from(stack, either_server, STRANGER)
        connection.sendall(head.encode() + b"1\r\nx\r\n")
        assert b" 401 " in read_until(connection, b"}")  # the body is read no further

        connection.sendall(b"0\r\n" + trailers[: MAX_HEAD_BYTES - 2])

        assert read_all(connection).startswith(b"HTTP/1.1 431 ")


def test_long_headers_and_a_long_body_are_accepted(either_server: Server) -> None:
    lines = {f"X-Long-{number}": "x" * 4000 for number in range(15)}

    assert either_server.request("GET", "/healthz", headers=lines).status == 200
    answer = either_server.request("POST", WEBHOOK_PATH, b"x" * 900_000, lines)
    assert answer.status == 401
