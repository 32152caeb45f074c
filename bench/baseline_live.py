"""Serve the minimum of a durable path from webhook to stream, as a yardstick.

It checks the HMAC, commits the delivery through a raw `sqlite3` connection in the event loop,
answers 200, commits the event's frame, and writes the frame to every open stream. It derives
nothing: no ticket, no names, no permissions, no positions.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from bench.baseline import is_readiness_check, open_database, read_signed, send_json, serve

database = open_database()
streams: set[Send] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if is_readiness_check(dict(scope)):
        await send_json(send, 200)
    elif scope["method"] == "GET":
        await serve_stream(receive, send)
    else:
        await accept_delivery(scope, receive, send)


async def serve_stream(receive: Receive, send: Send) -> None:
    """Keep a stream open until its client disconnects."""
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: connected\n\n", "more_body": True})
    streams.add(send)
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        streams.discard(send)


async def accept_delivery(scope: Scope, receive: Receive, send: Send) -> None:
    """Commit the delivery, answer, commit the event, write it to the streams."""
    signed = await read_signed(scope, receive)
    if signed is None:
        await send_json(send, 401)
        return
    at, body = signed
    commit_row("INSERT INTO deliveries (at, body) VALUES (?, ?)", at, body)
    await send_json(send, 200)
    frame = b"data: " + body + b"\n\n"
    commit_row("INSERT INTO log (frame) VALUES (?)", frame)
    message = {"type": "http.response.body", "body": frame, "more_body": True}
    await asyncio.gather(*(write(message) for write in streams))


def commit_row(statement: str, *values: bytes) -> None:
    """Insert one row in a transaction of its own."""
    database.execute("BEGIN IMMEDIATE")
    database.execute(statement, values)
    database.execute("COMMIT")


if __name__ == "__main__":
    serve(app)
