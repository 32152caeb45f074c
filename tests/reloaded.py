"""A server that starts itself anew when a file changes: `python -m tests.reloaded PORT FOLDER`."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from starlette.types import Receive, Scope, Send

from deskwire.realtime.endpoint import Stream
from deskwire.realtime.subscription import Caller
from deskwire.realtime.uvicorn_takeover import TakeoverProtocol
from tests.unit.fakes import FOREVER, Bench

bench = Bench()
bench.access["ada"] = {"guild:1"}
bench.sessions["s"] = FOREVER
running: set[asyncio.Task[None]] = set()


async def identify(_scope: Scope) -> Caller | None:
    return Caller("ada", "s", FOREVER)


stream = Stream("all", lambda: bench.hub, identify)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if not running:
        running.add(asyncio.create_task(bench.hub.run()))
    await stream(scope, receive, send)


if __name__ == "__main__":
    uvicorn.run(
        "tests.reloaded:app",
        port=int(sys.argv[1]),
        http=TakeoverProtocol,
        lifespan="off",
        interface="asgi3",
        reload=True,
        reload_dirs=[sys.argv[2]],
        reload_delay=0.1,
    )
