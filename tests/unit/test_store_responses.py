"""Test responses from the file store: a failure is a problem before they begin, and a cut after."""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from deskwire.kit.errors import Unavailable
from deskwire.kit.store import NoSuchKey
from deskwire.web.http.store_responses import StoreResponse, read_ahead


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Unavailable("Later.", "the store failed: stalled"), "the store failed: stalled"),
        (NoSuchKey("a-key"), "a-key was deleted"),
    ],
)
async def test_a_store_failing_during_a_download_cuts_it_off_with_one_log_line(
    error: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read from the client")

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    await StoreResponse(chunks_before(error))(scope, receive, send)

    bodies = [each for each in sent if each["type"] == "http.response.body"]
    assert [(each["body"], each["more_body"]) for each in bodies] == [(b"first", True)]
    assert [each.getMessage() for each in caplog.records] == [f"a download was cut off: {line}"]


async def test_a_store_failing_at_once_fails_before_the_response() -> None:
    async def failing() -> AsyncIterator[bytes]:
        raise Unavailable("Later.", "stalled")
        yield b""

    with pytest.raises(Unavailable):
        await read_ahead(failing())


async def test_chunks_read_ahead_are_not_lost() -> None:
    async def two() -> AsyncIterator[bytes]:
        yield b"first"
        yield b"second"

    assert [chunk async for chunk in await read_ahead(two())] == [b"first", b"second"]


async def chunks_before(error: Exception) -> AsyncIterator[bytes]:
    yield b"first"
    raise error
