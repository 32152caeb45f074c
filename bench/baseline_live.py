"""The least a durable webhook → stream hop can do, as a yardstick.

It checks the HMAC, commits the delivery through a raw `sqlite3` connection in the event loop, says
yes, commits the event's frame, and writes the frame to every open stream. It works out nothing:
no ticket, no names, no rights, no positions.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from bench.baseline import answer, is_health, open_database, read_signed, serve

database = open_database()
streams: set[Send] = set()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if is_health(dict(scope)):
        await answer(send, 200)
    elif scope["method"] == "GET":
        await stream(receive, send)
    else:
        await pass_on(scope, receive, send)


async def stream(receive: Receive, send: Send) -> None:
    """Keep a stream open until its client goes."""
    head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": b"data: connected\n\n", "more_body": True})
    streams.add(send)
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
    finally:
        streams.discard(send)


async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
    """Keep the delivery, say yes, keep the event, write it to the streams."""
    signed = await read_signed(scope, receive)
    if signed is None:
        await answer(send, 401)
        return
    at, body = signed
    commit("INSERT INTO deliveries (at, body) VALUES (?, ?)", at, body)
    await answer(send, 200)
    frame = b"data: " + body + b"\n\n"
    commit("INSERT INTO log (frame) VALUES (?)", frame)
    message = {"type": "http.response.body", "body": frame, "more_body": True}
    await asyncio.gather(*(write(message) for write in streams))


def commit(statement: str, *values: bytes) -> None:
    """One transaction of one row."""
    database.execute("BEGIN IMMEDIATE")
    database.execute(statement, values)
    database.execute("COMMIT")


if __name__ == "__main__":
    serve(app)
