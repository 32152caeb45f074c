"""Serve events with other Python libraries, each as its own documentation shows it.

    PEER=NAME FRAME=FILE PORT=… python -m bench.peer_apps

One queue per stream; POST puts one event into every queue. The bytes of the event are Deskwire's,
prepared in advance: no peer renders, stores or numbers events, or authorizes streams.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sse_starlette import EventSourceResponse as SseStarletteResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.baseline import is_readiness_check, send_json, serve

FRAME_BYTES = Path(os.environ["FRAME"]).read_bytes()
EVENT_TEXT = next(
    line.removeprefix("data: ")
    for line in FRAME_BYTES.decode().split("\n")
    if line.startswith("data: ")
)

queues: set[asyncio.Queue[bytes]] = set()


def subscribe() -> AsyncIterator[bytes]:
    """Iterate over the events from now on; the queue is registered before the first `next`."""
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    queues.add(queue)
    return _iter_queue(queue)


async def _iter_queue(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    try:
        while True:
            yield await queue.get()
    finally:
        queues.discard(queue)


async def raw_asgi(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Serve a stream with plain ASGI: the cost of the server without a framework."""
    frames = subscribe()
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/event-stream")],
        }
    )
    await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
    async for frame in frames:
        await send({"type": "http.response.body", "body": frame, "more_body": True})


def starlette() -> ASGIApp:
    """Serve prepared bytes with Starlette's StreamingResponse."""

    async def events(_request: Request) -> Response:
        return StreamingResponse(subscribe(), media_type="text/event-stream")

    return Starlette(routes=[Route("/events", events)])


def sse_starlette() -> ASGIApp:
    """Serve prepared text with sse-starlette's EventSourceResponse."""

    async def messages() -> AsyncIterator[dict[str, str]]:
        async for _ in subscribe():
            yield {"id": "1", "data": EVENT_TEXT}

    async def events(_request: Request) -> Response:
        return SseStarletteResponse(messages())

    return Starlette(routes=[Route("/events", events)])


def fastapi() -> ASGIApp:
    """Serve with FastAPI's own EventSourceResponse; `raw_data` skips the serialization."""
    app = FastAPI()

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[ServerSentEvent]:
        async for _ in subscribe():
            yield ServerSentEvent(raw_data=EVENT_TEXT, id="1")

    return app


PEERS: dict[str, Callable[[], ASGIApp]] = {
    "raw": lambda: raw_asgi,
    "starlette": starlette,
    "sse_starlette": sse_starlette,
    "fastapi": fastapi,
}

peer_app = PEERS[os.environ["PEER"]]()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Open a stream on GET, publish one event to all on POST."""
    if scope["type"] != "http":
        return
    if scope["method"] == "GET" and not is_readiness_check(dict(scope)):
        await peer_app(scope, receive, send)
        return
    if scope["method"] == "POST":
        for queue in queues:
            queue.put_nowait(FRAME_BYTES)
    await send_json(send, 200)


if __name__ == "__main__":
    serve(app)
