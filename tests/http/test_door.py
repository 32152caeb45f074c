"""The door over real sockets: what it says to strangers, and what they can make it hold."""

from __future__ import annotations

import json
import socket

from deskwire.integrations.discord.sender import envelope, headers
from deskwire.integrations.discord.signature import PATH
from deskwire.kit.clock import now
from tests.server import Server

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


def test_who_does_not_claim_to_have_signed_is_refused_before_the_body(server: Server) -> None:
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MIB}"

    status, said = ask(server, head)

    assert (status, said["message"]) == (401, "Missing webhook headers")


def test_a_body_too_large_is_told_so_though_it_is_sent_whole(server: Server) -> None:
    at, body = now(), b"x" * (8 * MIB)
    signed = "\r\n".join(f"{k}: {v}" for k, v in headers(server.secret, at, body).items())
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{signed}"

    status, said = ask(server, head, body)

    assert status == 413
    assert said["success"] is False


def test_the_largest_body_there_may_be_is_kept(server: Server) -> None:
    at = now()
    padding = "x" * (MIB - len(envelope("guild.left", {"guildId": "1", "more": ""}, at)))
    body = envelope("guild.left", {"guildId": "1", "more": padding}, at)
    assert len(body) == MIB

    reply = server.request("POST", PATH, body, headers(server.secret, at, body))

    assert reply.status == 200


def test_one_byte_more_is_refused(server: Server) -> None:
    at = now()
    padding = "x" * (MIB + 1 - len(envelope("guild.left", {"guildId": "1", "more": ""}, at)))
    body = envelope("guild.left", {"guildId": "1", "more": padding}, at)

    assert server.request("POST", PATH, body, headers(server.secret, at, body)).status == 413


def test_anything_but_a_post_is_told_what_to_do(server: Server) -> None:
    reply = server.get(PATH)

    assert (reply.status, reply.headers["allow"]) == (405, "POST")
