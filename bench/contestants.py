"""Contestants of a fan-out: a server, its open streams, and a way to publish one event to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench import webhook_bodies
from bench.c_programs import build_program
from bench.guild_owner import COOKIE_NAME, STREAM_PATH
from bench.many_people import create_people, write_request_heads
from bench.servers import DESKWIRE, Server, announce_guild, running_server
from bench.sockets import CHUNK_BYTES, build_request, connect, fetch, read_until
from bench.stream_readers import StreamReaders, running_readers
from deskwire.integrations.discord.samples import make_snowflake

MESSAGE_TEXT = webhook_bodies.SENTENCES[
    2
]  # always the same, so that every frame has the same length
PUBLISH_PATH = "/1"  # what every contestant but ours is asked for one event
EVENTS_PATH = "/events"

Publish = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with streams that all hear what `publish` publishes."""

    server: Server
    listeners: StreamReaders
    publish: Publish

    def cpu(self) -> float:
        """Seconds of CPU of both sides, so that they are not taken for somebody else's."""
        return self.server.read_cpu() + self.listeners.cpu()


@dataclass(frozen=True, slots=True)
class TurnCost:
    """What one turn cost."""

    per_send: float  # µs of CPU
    per_event: float  # µs of CPU
    last: float  # ms from before the request until the last stream had it, on average
    event_count: int


def run_turn(contestant: Contestant, seconds: float) -> TurnCost:
    """Publish, one event after the other, until the server has used so many seconds of CPU.

    Each event has arrived everywhere before the next is published.
    """
    server, listeners = contestant.server, contestant.listeners
    listeners.reset_counts()
    events, began = 0, time.perf_counter()
    before = server.read_cpu()
    while server.read_cpu() - before < seconds:
        contestant.publish()
        events += 1
        listeners.wait_for_events(events * listeners.count)
    used = server.read_cpu() - before
    wall = (time.perf_counter() - began) * 1000 / events
    per_event = used / events * 1e6
    return TurnCost(per_event / listeners.count, per_event, wall, events)


def start_deskwire(
    stack: ExitStack,
    folder: Path,
    person_count: int,
    command: Sequence[str] = DESKWIRE,
    *,
    buffer: int = 0,
    **environment: str,
) -> tuple[Contestant, list[str]]:
    """Deskwire as shipped with a crowd of `count`, no stream open yet; and their secrets."""
    tokens = create_people(folder, person_count)
    heads = write_request_heads(folder / "heads", tokens)
    server = stack.enter_context(running_server(command, folder, **environment))
    announce_guild(server)
    listeners = stack.enter_context(
        running_readers(folder, server.port, STREAM_PATH, heads, buffer_bytes=buffer)
    )
    return Contestant(server, listeners, make_webhook_publisher(server.port)), tokens


def start_c_limit(stack: ExitStack, folder: Path, count: int) -> Contestant:
    """The physical limit in C, sending the frame in `folder`."""
    server = stack.enter_context(
        running_server([build_program("limit", folder)], FRAME=str(folder / "frame"))
    )
    return Contestant(
        server, open_anonymous_listeners(stack, folder, server, count), make_poster(server.port)
    )


def open_anonymous_listeners(
    stack: ExitStack, folder: Path, server: Server, count: int
) -> StreamReaders:
    """Listeners that need not say who they are."""
    heads = folder / "plain-heads"
    heads.write_text("Accept: text/event-stream\n" * count)
    return stack.enter_context(
        running_readers(folder, server.port, EVENTS_PATH, heads, ready_marker="")
    )


def make_poster(port: int, path: str = PUBLISH_PATH, body: bytes = b"") -> Publish:
    """Asks a contestant that needs no signature to publish."""
    return lambda: _post_and_check(port, build_request("POST", path, {}, body))


def make_webhook_publisher(
    port: int, guild: str = webhook_bodies.GUILD, run: str = "fan", text: str = MESSAGE_TEXT
) -> Publish:
    """Publishes as the bot does: a signed message in a ticket of a Discord server."""
    following = _message_requests(guild, run, text)
    return lambda: _post_and_check(port, webhook_bodies.signed_request(next(following)))


def write_frame_file(folder: Path, server: Server, token: str, text: str = MESSAGE_TEXT) -> int:
    """Write the bytes of one event of ours to `folder`/frame for the others; their number."""
    with connect(server.port) as stream:
        stream.sendall(build_request("GET", STREAM_PATH, {"cookie": f"{COOKIE_NAME}={token}"}))
        rest = read_until(stream, b"\n\n", read_until(stream, b'"type":"connected"'))
        make_webhook_publisher(server.port, run="one", text=text)()
        while (frame := _first_event(rest)) is None:
            rest += stream.recv(CHUNK_BYTES)
    return (folder / "frame").write_bytes(frame)


def _first_event(received: bytes) -> bytes | None:
    """The first whole event; a heartbeat may come before it."""
    *whole, _ = received.split(b"\n\n")
    return next((each + b"\n\n" for each in whole if each.startswith(b"id: ")), None)


def _message_requests(guild: str, run: str, text: str) -> Iterator[bytes]:
    start = time.time_ns() // 1_000_000
    for index in range(1_000_000):
        id_ = make_snowflake(start + (index >> 12), index & 0xFFF)
        yield webhook_bodies.message_body(f"{run}-{index:06}", id_, 1, text, start, guild)


def _post_and_check(port: int, asked: bytes) -> None:
    with connect(port) as connection:
        status, answer = fetch(connection, asked)
    if status not in (200, 201, 202):  # nchan says what it did with the event
        raise RuntimeError(f"not published: {answer!r}")
