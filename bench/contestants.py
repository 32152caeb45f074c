"""Contestants of a fan-out: a server, its open streams, and a way to publish one event to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import webhook_bodies
from bench.c_programs import build
from bench.guild_owner import COOKIE, STREAM
from bench.many_people import gather, write_heads
from bench.servers import DESKWIRE, Server, fill, running
from bench.sockets import CHUNK, connect, fetch, read_until, request
from bench.stream_readers import Listeners, listening
from deskwire.integrations.discord.samples import snowflake

TEXT = webhook_bodies.SENTENCES[2]  # always the same, so that every frame has the same length
PUBLISH = "/1"  # what every contestant but ours is asked for one event
EVENTS = "/events"

Publish = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with streams that all hear what `publish` publishes."""

    server: Server
    listeners: Listeners
    publish: Publish

    def cpu(self) -> float:
        """Seconds of CPU of both sides, so that they are not taken for somebody else's."""
        return self.server.cpu() + self.listeners.cpu()


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn cost."""

    per_send: float  # µs of CPU
    per_event: float  # µs of CPU
    last: float  # ms from before the request until the last stream had it, on average
    events: int


def take_turn(contestant: Contestant, seconds: float) -> Turn:
    """Publish, one event after the other, until the server has used so many seconds of CPU.

    Each event has arrived everywhere before the next is published.
    """
    server, listeners = contestant.server, contestant.listeners
    listeners.reset()
    events, began = 0, time.perf_counter()
    before = server.cpu()
    while server.cpu() - before < seconds:
        contestant.publish()
        events += 1
        listeners.wait(events * listeners.count)
    used = server.cpu() - before
    wall = (time.perf_counter() - began) * 1000 / events
    per_event = used / events * 1e6
    return Turn(per_event / listeners.count, per_event, wall, events)


def deskwire(
    stack: ExitStack,
    folder: Path,
    count: int,
    command: Sequence[str] = DESKWIRE,
    *,
    buffer: int = 0,
    **environment: str,
) -> tuple[Contestant, list[str]]:
    """Deskwire as shipped with a crowd of `count`, no stream open yet; and their secrets."""
    tokens = gather(folder, count)
    heads = write_heads(folder / "heads", tokens)
    server = stack.enter_context(running(command, folder, **environment))
    fill(server)
    listeners = stack.enter_context(listening(folder, server.port, STREAM, heads, buffer=buffer))
    return Contestant(server, listeners, webhooks(server.port)), tokens


def limit(stack: ExitStack, folder: Path, count: int) -> Contestant:
    """The physical limit in C, sending the frame in `folder`."""
    server = stack.enter_context(running([build("limit", folder)], FRAME=str(folder / "frame")))
    return Contestant(server, plain(stack, folder, server, count), poster(server.port))


def plain(stack: ExitStack, folder: Path, server: Server, count: int) -> Listeners:
    """Listeners that need not say who they are."""
    heads = folder / "plain-heads"
    heads.write_text("Accept: text/event-stream\n" * count)
    return stack.enter_context(listening(folder, server.port, EVENTS, heads, ready=""))


def poster(port: int, path: str = PUBLISH, body: bytes = b"") -> Publish:
    """Asks a contestant that needs no signature to publish."""
    return lambda: _post(port, request("POST", path, {}, body))


def webhooks(
    port: int, guild: str = webhook_bodies.GUILD, run: str = "fan", text: str = TEXT
) -> Publish:
    """Publishes as the bot does: a signed message in a ticket of a Discord server."""
    following = _messages(guild, run, text)
    return lambda: _post(port, webhook_bodies.post(next(following)))


def keep_frame(folder: Path, server: Server, token: str, text: str = TEXT) -> int:
    """Write the bytes of one event of ours to `folder`/frame for the others; their number."""
    with connect(server.port) as stream:
        stream.sendall(request("GET", STREAM, {"cookie": f"{COOKIE}={token}"}))
        rest = read_until(stream, b"\n\n", read_until(stream, b'"type":"connected"'))
        webhooks(server.port, run="one", text=text)()
        while (frame := _event_in(rest)) is None:
            rest += stream.recv(CHUNK)
    return (folder / "frame").write_bytes(frame)


def _event_in(received: bytes) -> bytes | None:
    """The first whole event; a heartbeat may come before it."""
    *whole, _ = received.split(b"\n\n")
    return next((each + b"\n\n" for each in whole if each.startswith(b"id: ")), None)


def _messages(guild: str, run: str, text: str) -> Iterator[bytes]:
    start = time.time_ns() // 1_000_000
    for index in range(1_000_000):
        id_ = snowflake(start + (index >> 12), index & 0xFFF)
        yield webhook_bodies.message(f"{run}-{index:06}", id_, 1, text, start, guild)


def _post(port: int, asked: bytes) -> None:
    with connect(port) as connection:
        status, answer = fetch(connection, asked)
    if status not in (200, 201, 202):  # nchan says what it did with the event
        raise RuntimeError(f"not published: {answer!r}")
