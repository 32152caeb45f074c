"""Test that a request cut short by the shutdown gets an answer, unless its response has begun."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from deskwire.web.http.shutdown import ShutdownResponse

START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.parametrize(("path", "is_json"), [("/dashboard", False), ("/api/me", True)])
async def test_a_cancelled_request_is_answered_with_retry_after(path: str, is_json: bool) -> None:
    sent = await cancel(path, responding=False)

    start, body = sent
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (503, b"5")
    sentence = "The server is restarting. Try again in a moment."
    text = body["body"].decode()
    assert (json.loads(text)["detail"] if is_json else text) == sentence


async def test_a_started_response_is_cut_off() -> None:
    assert await cancel("/files/1", responding=True) == [START]


async def cancel(path: str, *, responding: bool) -> list[MutableMapping[str, Any]]:
    """Cancel a request that waits for ever; return what was sent to the client."""
    sent: list[MutableMapping[str, Any]] = []
    is_waiting = asyncio.Event()

    async def wait_for_ever(_scope: Scope, _receive: Receive, send: Send) -> None:
        if responding:
            await send(START)
        is_waiting.set()
        await asyncio.Event().wait()

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read from the client")

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    task = asyncio.ensure_future(ShutdownResponse(wait_for_ever)(scope, receive, send))
    await is_waiting.wait()
    task.cancel()
    await task
    return sent
