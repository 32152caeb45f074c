"""Test for leaks: after twenty thousand streams of every kind, resources return to the start."""

from __future__ import annotations

import gc
import socket
import sys
from collections.abc import Callable
from logging import WARNING
from pathlib import Path

import pytest

from tests.fixtures.scale import scaled
from tests.fixtures.stream_server import (
    LOOPS,
    StreamServerFixture,
    read_all,
    read_until,
    wait_until,
)
from tests.http.test_uvicorn_takeover import OTHER, RESET, STREAM

pytestmark = pytest.mark.database("sqlite")  # none is used

TOGETHER = 50  # streams open at once
ROUNDS = scaled(50)  # of every way
MISSED = 400  # events a returning stream is behind
BLOCKS_OF_AN_EVENT = 10
BLOCKS = 2_000  # of memory; the allocator's own caches move by some hundreds


def clean(_wire: StreamServerFixture, streams: list[socket.socket]) -> None:
    """Each closes its side in order."""


def reset(_wire: StreamServerFixture, streams: list[socket.socket]) -> None:
    for each in streams:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def half_closed(_wire: StreamServerFixture, streams: list[socket.socket]) -> None:
    for each in streams:
        each.shutdown(socket.SHUT_WR)
    for each in streams:
        read_all(each)


def revoked(stream_server: StreamServerFixture, streams: list[socket.socket]) -> None:
    """Everything is taken away and given back while they listen."""
    stream_server.hub_fixture.channels_by_person["ada"] = set()
    stream_server.call_in_loop(
        lambda: stream_server.hub_fixture.publish("guild:1", access_changes=("user:ada",))
    )
    for each in streams:
        read_until(each, b"event: revoked")
    stream_server.hub_fixture.channels_by_person["ada"] = {"guild:1"}
    stream_server.call_in_loop(
        lambda: stream_server.hub_fixture.publish("guild:1", access_changes=("user:ada",))
    )


def signed_out(stream_server: StreamServerFixture, streams: list[socket.socket]) -> None:
    session = stream_server.hub_fixture.sessions.pop("s")
    stream_server.call_in_loop(
        lambda: stream_server.hub_fixture.publish("guild:1", access_changes=("user:ada",))
    )
    for each in streams:
        assert b"event: goodbye" in read_all(each)
    stream_server.hub_fixture.sessions["s"] = session


def slow(stream_server: StreamServerFixture, streams: list[socket.socket]) -> None:
    """Publish a thousand events while the clients read nothing."""
    for _ in range(20):
        stream_server.call_in_loop(
            lambda: [stream_server.hub_fixture.publish("guild:1") for _ in range(50)]
        )


BEHIND = b"GET /stream?after=0123abcd-%d HTTP/1.1\r\nHost: desk\r\n\r\n"
WAYS: dict[str, tuple[bytes, bool, Callable[[StreamServerFixture, list[socket.socket]], None]]] = {
    # what is asked, whether the first frame is waited for, and what happens then
    "clean": (STREAM, True, clean),
    "reset": (STREAM, True, reset),
    "before the first frame": (STREAM, False, reset),
    "half a request": (STREAM[:30], False, clean),
    "a request behind": (STREAM + OTHER, True, clean),
    "half closed": (STREAM, True, half_closed),
    "revoked": (STREAM, True, revoked),
    "signed out": (STREAM, True, signed_out),
}


def come_and_go(stream_server: StreamServerFixture, way: str) -> None:
    request, waits, then = WAYS[way]
    streams = [stream_server.connect(request) for _ in range(TOGETHER)]
    for each in streams:
        if waits:
            read_until(each, b"connected")
    then(stream_server, streams)
    for each in streams:
        each.close()


def settle(stream_server: StreamServerFixture) -> None:
    """Wait until no stream is left."""
    wait_until(lambda: not stream_server.subscriptions)
    wait_until(lambda: not any(stream_server.count_leaked().values()))


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
def test_the_memory_of_ten_thousand_streams_is_released(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(WARNING)  # a record of each would be kept until the end
    caplog.set_level(WARNING, "uvicorn.access")
    with StreamServerFixture(loop) as wire:
        for way in WAYS:  # what is made once is made now
            come_and_go(wire, way)
        settle(wire)
        before = sizes_of(wire)

        for _ in range(ROUNDS // 2):
            for way in WAYS:
                come_and_go(wire, way)
        settle(wire)

        after = sizes_of(wire)
        log_growth = after.pop("log") - before.pop("log")  # the log itself is kept
        blocks = after.pop("blocks") - before.pop("blocks")
        assert after == before
        warnings = [each.getMessage() for each in caplog.records if each.levelno >= WARNING]
        assert warnings == []  # nothing about it is worth one
        assert blocks < BLOCKS + log_growth * BLOCKS_OF_AN_EVENT


@pytest.mark.slow
def test_stalled_and_lagging_readers_leave_nothing_behind() -> None:
    with StreamServerFixture("uvloop") as wire:
        for _ in range(MISSED):
            wire.publish()
        for round_ in range(4):
            stopped = [wire.connect(STREAM, receive_bytes=4096) for _ in range(TOGETHER)]
            behind = [wire.connect(BEHIND % 0, receive_bytes=4096) for _ in range(TOGETHER)]
            for each in stopped + behind:
                read_until(each, b"connected")
            slow(wire, stopped)
            for each in stopped + behind:
                if round_ % 2:
                    reset(wire, [each])
                each.close()
            settle(wire)

        assert wire.call_in_loop(lambda: sizes_here(wire))["streams"] == 0


def sizes_of(stream_server: StreamServerFixture) -> dict[str, int]:
    gc.collect()
    return stream_server.call_in_loop(lambda: sizes_here(stream_server))


def sizes_here(stream_server: StreamServerFixture) -> dict[str, int]:
    """What grows when something is left: sockets, the hub's lists, memory."""
    hub = stream_server.hub_fixture.hub
    return {
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "people": len(hub._by_person),
        "streams": len(hub.subscriptions),
        "channels": len(hub._fanout._by_channel),
        "beats": sum(map(len, hub._heartbeat._buckets)),
        "loads": len(hub._backfill_tasks),
        "log": len(stream_server.hub_fixture.log),
        "blocks": sys.getallocatedblocks(),
    }
