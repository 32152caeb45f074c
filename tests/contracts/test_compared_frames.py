"""Keep heartbeats and ticks, which a timer sends, out of the frames that tests compare.

A tick between two frames fails a comparison about once in a thousand runs, and on a busy machine
more often. So what fixtures offer for comparing has none, and the raw bytes are for the tests
listed here: of ticks themselves, or that look for something in the bytes without comparing all.
"""

from __future__ import annotations

import ast
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

from deskwire.events.cursor import Cursor
from deskwire.events.frames import HEARTBEAT, control_frame, event_frame
from tests.fixtures import sse
from tests.fixtures.hub import EPOCH, FakeWriter, HubFixture

TESTS = Path(__file__).parents[1]
RAW_NAMES = {"raw_bytes", "read_raw_frame"}
READERS = {
    "fixtures/hub.py": "drops the ticks",
    "fixtures/sse.py": "drops the ticks",
    "fixtures/stream_recorder.py": "looks for positions",
    "db/test_realtime_access_histories.py": "looks for positions",
    "db/test_realtime_organization_histories.py": "looks for positions",
    "db/test_webhooks_late_deliveries.py": "looks for a secret",
    "http/live/test_endpoint.py": "tests a tick",
    "unit/test_hub_batches.py": "tests a tick",
    "unit/test_hub_endings.py": "tests a tick",
    "unit/test_hub_notices.py": "looks for an id",
    "unit/test_realtime_stats.py": "counts all bytes",
}

TICK = HEARTBEAT + control_frame("tick", Cursor(EPOCH, 1), position=f"{EPOCH}-1", time=1)
SENT = event_frame(Cursor(EPOCH, 1), "ticket.updated", "{}", 1)
NAMED = control_frame("revoked", Cursor(EPOCH, 1), because="membership")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def find_raw_names(source: str) -> Iterator[str]:
    """Yield the names of RAW_NAMES that a module uses as attributes, or by `getattr`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in RAW_NAMES:
            yield node.attr
        if isinstance(node, ast.Constant) and node.value in RAW_NAMES:
            yield str(node.value)


def test_raw_frames_are_read_only_by_the_listed_tests() -> None:
    paths = sorted(set(TESTS.rglob("*.py")) - {Path(__file__)})

    used = {
        str(path.relative_to(TESTS)): names
        for path in paths
        if (names := set(find_raw_names(path.read_text())))
    }

    assert used.keys() == READERS.keys(), (
        "raw frames contain ticks, which come when a timer fires: compare `frames`, "
        "`next_frame()` or `read_until()`, or say in READERS what is done with them"
    )


def test_raw_frames_are_never_compared_as_a_whole() -> None:
    compared = [
        f"{name}:{node.lineno}"
        for name in READERS
        for node in ast.walk(ast.parse((TESTS / name).read_text()))
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Attribute | ast.Call) and RAW_NAMES & {*_names_of(side)}
    ]

    assert compared == []


def _names_of(side: ast.expr) -> Iterator[str]:
    """Yield the attributes in an expression."""
    return (node.attr for node in ast.walk(side) if isinstance(node, ast.Attribute))


def test_a_fake_writer_offers_no_ticks_for_comparison() -> None:
    writer = FakeWriter(HubFixture().hub)

    for frame in (TICK, SENT, TICK, NAMED, TICK):
        writer.write(frame)

    assert [name for name, _ in writer.frames] == ["message", "revoked"]
    assert writer.positions == [1]
    assert writer.control_frame_names == ["revoked"]


def test_a_stream_client_offers_no_ticks_for_comparison() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=_answer_with_ticks, args=(server,))
        thread.start()
        with sse.connect(server.getsockname()[1], "/") as stream:
            first = stream.next_frame()
            rest = stream.read_rest()
        thread.join()

    assert first.type == "ticket.updated"
    assert [sent.name for sent in rest] == ["revoked"]
    assert [sent.name for sent in stream.frames] == ["message", "revoked"]


def _answer_with_ticks(server: socket.socket) -> None:
    connection, _ = server.accept()
    with closing(connection):
        connection.sendall(HEAD + TICK + SENT + TICK + NAMED + TICK)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
