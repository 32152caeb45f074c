"""Test the webhook door over real sockets: its answers to strangers, and their resource limits."""

from __future__ import annotations

import json
import socket

from deskwire.integrations.discord.sender import build_envelope, build_headers
from deskwire.integrations.discord.signature import WEBHOOK_PATH
from deskwire.kit.clock import MINUTE, now
from tests.fixtures.server import Server

MIB = 1024 * 1024


def ask(server: Server, head: str, body: bytes = b"") -> tuple[int, dict[str, object]]:
    """The answer to raw bytes: status, and what its body says."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n")
        for first in range(0, len(body), MIB):
            connection.sendall(body[first : first + MIB])
        raw = b""
        while b"\r\n\r\n" not in raw or not raw.endswith(b"}"):
            raw += connection.recv(65536)
    return int(raw.split()[1]), json.loads(raw.partition(b"\r\n\r\n")[2])


def test_an_unsigned_delivery_is_refused_before_its_body(server: Server) -> None:
    head = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB}"

    status, answer = ask(server, head)

    assert (status, answer["message"]) == (401, "Missing webhook headers")


def test_a_body_too_large_is_answered_with_413_even_if_sent_whole(server: Server) -> None:
    at, body = now(), b"x" * (8 * MIB)
    signed = "\r\n".join(f"{k}: {v}" for k, v in build_headers(server.secret, at, body).items())
    head = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{signed}"

    status, answer = ask(server, head, body)

    assert status == 413
    assert answer["success"] is False


def test_the_largest_allowed_body_is_stored(server: Server) -> None:
    at = now()
    padding = "x" * (MIB - len(build_envelope("guild.left", {"guildId": "1", "more": ""}, at)))
    body = build_envelope("guild.left", {"guildId": "1", "more": padding}, at)
    assert len(body) == MIB

    reply = server.request("POST", WEBHOOK_PATH, body, build_headers(server.secret, at, body))

    assert reply.status == 200


def test_a_body_one_byte_larger_is_refused(server: Server) -> None:
    at = now()
    padding = "x" * (MIB + 1 - len(build_envelope("guild.left", {"guildId": "1", "more": ""}, at)))
    body = build_envelope("guild.left", {"guildId": "1", "more": padding}, at)

    assert (
        server.request("POST", WEBHOOK_PATH, body, build_headers(server.secret, at, body)).status
        == 413
    )


def test_a_wrong_clock_is_logged_and_not_revealed_to_the_sender(server: Server) -> None:
    at, mark = now() - 7 * MINUTE, server.log.end
    body = build_envelope("guild.left", {"guildId": "1"}, at)

    reply = server.request("POST", WEBHOOK_PATH, body, build_headers(server.secret, at, body))

    assert (reply.status, json.loads(reply.body)["message"]) == (401, "Invalid webhook signature")
    assert "clock" not in reply.text
    server.log.wait_for_line("the sender's time is 42. s behind", after=mark)


def test_methods_other_than_post_are_refused_with_the_allowed_one(server: Server) -> None:
    reply = server.get(WEBHOOK_PATH)

    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def signed(server: Server, answer: str, version: str = "1.1", *more: str) -> bytes:
    """A whole request with a delivery that says `said`."""
    at = now()
    body = build_envelope("guild.left", {"guildId": "1", "said": answer}, at)
    lines = [f"{name}: {value}" for name, value in build_headers(server.secret, at, body).items()]
    head = [
        f"POST {WEBHOOK_PATH} HTTP/{version}",
        "Host: x",
        f"Content-Length: {len(body)}",
        *lines,
        *more,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def read_answers(connection: socket.socket, count: int) -> list[bytes]:
    """So many answers, one after the other on a connection that is kept."""
    raw = b""
    while raw.count(b"HTTP/1.1 ") < count or not raw.endswith(b"}"):
        raw += connection.recv(65536)
    return [b"HTTP/1.1 " + each for each in raw.split(b"HTTP/1.1 ")[1:]]


def test_an_acceptance_is_sent_in_one_segment_and_the_connection_is_kept(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        for answer in ("once", "and once more"):
            connection.sendall(signed(server, answer))
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")

            assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: ")
            assert f"content-length: {len(body)}".encode() in head
            assert b"x-content-type-options: nosniff" in head
            assert json.loads(body)["success"] is True


def test_pipelined_deliveries_are_answered_in_order(server: Server) -> None:
    requests = [signed(server, f"number {number}") for number in range(5)]
    nothing_there = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"

    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(b"".join(requests))
        answers = read_answers(connection, len(requests))
        connection.sendall(nothing_there)

        assert all(answer.startswith(b"HTTP/1.1 200 OK\r\n") for answer in answers)
        assert connection.recv(65536).startswith(b"HTTP/1.1 404 ")


def test_connection_close_is_honored_after_the_response(server: Server) -> None:
    for request in (
        signed(server, "old", "1.0"),
        signed(server, "last", "1.1", "Connection: close"),
    ):
        with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
            connection.sendall(request)
            answer = b""
            while part := connection.recv(65536):
                answer += part

        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"connection: close" in head
        assert json.loads(body)["success"] is True
