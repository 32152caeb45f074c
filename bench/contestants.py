"""Start the contestants of a fan-out: a server, its streams, and a way to publish one event."""

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

MESSAGE_TEXT = webhook_bodies.SENTENCES[2]  # always the same, so that all frames are equally long
PUBLISH_PATH = "/1"  # POST publishes one event, on every contestant except Deskwire
EVENTS_PATH = "/events"

Publish = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server whose streams all hear what `publish` publishes."""

    server: Server
    listeners: StreamReaders
    publish: Publish

    def cpu(self) -> float:
        """Return the seconds of CPU of server and readers, which are not noise of the machine."""
        return self.server.read_cpu() + self.listeners.cpu()


@dataclass(frozen=True, slots=True)
class TurnCost:
    """The cost of one turn."""

    per_send: float  # µs of CPU
    per_event: float  # µs of CPU
    last: float  # ms from before the request until the last stream has it, on average
    event_count: int


def run_turn(contestant: Contestant, seconds: float) -> TurnCost:
    """Publish one event after the other until the server has used `seconds` of CPU.

    Each event has arrived at every stream before the next is published.
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
    """Start Deskwire as shipped, with `person_count` people; return it and their session tokens.

    No stream is open yet. `buffer`: bytes of kernel buffer per reader; 0: no limit.
    """
    tokens = create_people(folder, person_count)
    heads = write_request_heads(folder / "heads", tokens)
    server = stack.enter_context(running_server(command, folder, **environment))
    announce_guild(server)
    listeners = stack.enter_context(
        running_readers(folder, server.port, STREAM_PATH, heads, buffer_bytes=buffer)
    )
    return Contestant(server, listeners, make_webhook_publisher(server.port)), tokens


def start_c_limit(stack: ExitStack, folder: Path, count: int) -> Contestant:
    """Start the physical limit in C, which sends the frame in `folder`."""
    server = stack.enter_context(
        running_server([build_program("limit", folder)], FRAME=str(folder / "frame"))
    )
    return Contestant(
        server, open_anonymous_listeners(stack, folder, server, count), make_poster(server.port)
    )


def open_anonymous_listeners(
    stack: ExitStack, folder: Path, server: Server, count: int
) -> StreamReaders:
    """Start readers for a server without authentication; none is open yet."""
    heads = folder / "plain-heads"
    heads.write_text("Accept: text/event-stream\n" * count)
    return stack.enter_context(
        running_readers(folder, server.port, EVENTS_PATH, heads, ready_marker="")
    )


def make_poster(port: int, path: str = PUBLISH_PATH, body: bytes = b"") -> Publish:
    """Return a call that makes a contestant without signatures publish one event."""
    return lambda: _post_and_check(port, build_request("POST", path, {}, body))


def make_webhook_publisher(
    port: int, guild: str = webhook_bodies.GUILD, run: str = "fan", text: str = MESSAGE_TEXT
) -> Publish:
    """Return a call that publishes as the bot does: a signed message in a guild's ticket."""
    requests = _message_requests(guild, run, text)
    return lambda: _post_and_check(port, webhook_bodies.signed_request(next(requests)))


def write_frame_file(folder: Path, server: Server, token: str, text: str = MESSAGE_TEXT) -> int:
    """Write one of Deskwire's frames to `folder`/frame for the others; return its length."""
    with connect(server.port) as stream:
        stream.sendall(build_request("GET", STREAM_PATH, {"cookie": f"{COOKIE_NAME}={token}"}))
        rest = read_until(stream, b"\n\n", read_until(stream, b'"type":"connected"'))
        make_webhook_publisher(server.port, run="one", text=text)()
        while (frame := _first_event(rest)) is None:
            rest += stream.recv(CHUNK_BYTES)
    return (folder / "frame").write_bytes(frame)


def _first_event(received: bytes) -> bytes | None:
    """Return the first complete event; a heartbeat may come before it."""
    *whole, _ = received.split(b"\n\n")
    return next((each + b"\n\n" for each in whole if b"id: " in each), None)


def _message_requests(guild: str, run: str, text: str) -> Iterator[bytes]:
    start = time.time_ns() // 1_000_000
    for index in range(1_000_000):
        id_ = make_snowflake(start + (index >> 12), index & 0xFFF)
        yield webhook_bodies.message_body(f"{run}-{index:06}", id_, 1, text, start, guild)


def _post_and_check(port: int, request: bytes) -> None:
    with connect(port) as connection:
        status, answer = fetch(connection, request)
    if status not in (200, 201, 202):  # nchan's depends on what it did with the event
        raise RuntimeError(f"not published: {answer!r}")
