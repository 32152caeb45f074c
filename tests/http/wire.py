"""A stream endpoint on a real uvicorn in a thread, where its insides can be counted.

with Wire(loop="uvloop") as wire:
    reply = wire.open(b"GET /stream HTTP/1.1\\r\\n…")
    wire.say()
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import trustme
import uvicorn
import uvloop
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from deskwire.realtime.endpoint import Stream
from deskwire.realtime.subscription import Caller, Seat
from deskwire.realtime.uvicorn_takeover import TakenOutlet, TakeoverProtocol
from tests.unit.fakes import FOREVER, Bench

CHANNEL = "guild:1"
PATIENCE = 10.0  # s for what must become true
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}

T = TypeVar("T")


class Wire:
    """`/stream` for anybody, and everything else answers `ok`. Middleware adds `x-added`."""

    def __init__(self, loop: str, tls: Path | None = None, **config: Any) -> None:
        self.bench = Bench(streams=100_000)
        self.bench.access["ada"] = {CHANNEL}
        self.bench.sessions["s"] = FOREVER
        self._stream = Stream("all", lambda: self.bench.hub, _identify)
        self._tls = _certify(tls) if tls else None
        files: dict[str, Any] = (
            {"ssl_certfile": str(tls / "cert.pem"), "ssl_keyfile": str(tls / "key.pem")}
            if tls
            else {}
        )
        self._config = uvicorn.Config(
            self._app,
            http=TakeoverProtocol,
            log_config=None,
            interface="asgi3",
            lifespan="off",
            backlog=4096,
            timeout_keep_alive=1,
            **files,
            **config,
        )
        self._server = uvicorn.Server(self._config)
        self._loop = LOOPS[loop]()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self._listening.getsockname()[1]
        self._before: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Wire:
        self._thread.start()
        wait_until(lambda: self._server.started)
        gc.collect()  # what other tests have left
        self._before = self._count()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> float:
        """Shut down as SIGTERM does; how many seconds it took."""
        begun = time.monotonic()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the server did not end"
        return time.monotonic() - begun

    def open(self, request: bytes, receive_bytes: int | None = None) -> socket.socket:
        """A connection on which `request` was sent."""
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", self.port))
        if self._tls:
            connection = self._tls.wrap_socket(connection, server_hostname="localhost")
        connection.sendall(request)
        return connection

    def do(self, function: Callable[[], T]) -> T:
        """Call `function` in the server's own loop."""
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(PATIENCE)

    def say(self) -> int:
        """Tell every stream an event; its position."""
        return self.do(lambda: self.bench.say(CHANNEL).position)

    def later(self, seconds: float, function: Callable[[], None]) -> None:
        """Call `function` after a while of the server's own time."""
        self._loop.call_later(seconds, function)

    @property
    def connections(self) -> set[Any]:
        """uvicorn's own; to be looked at in the server's loop."""
        return self._server.server_state.connections

    @property
    def seats(self) -> list[Seat]:
        return self.do(lambda: self.bench.hub.seats)

    def left_over(self) -> dict[str, int]:
        """What is alive of requests and streams, cycles not collected for us."""
        now = self.do(self._count)
        return {name: max(0, count - self._before[name]) for name, count in now.items()}

    def _count(self) -> dict[str, int]:
        kinds = (HttpToolsProtocol, RequestResponseCycle, TakenOutlet, Seat)
        found = dict.fromkeys((kind.__name__ for kind in kinds), 0)
        for thing in gc.get_objects():
            for kind in kinds:
                if isinstance(thing, kind):
                    found[kind.__name__] += 1
        found["tasks"] = len(self._server.server_state.tasks)
        found["connections"] = sum(
            isinstance(each, HttpToolsProtocol) for each in self._server.server_state.connections
        )
        return found

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        hub = asyncio.create_task(self.bench.hub.run())
        await self._server._serve([self._listening])  # `serve` takes signals, for main threads
        hub.cancel()
        await asyncio.gather(hub, return_exceptions=True)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-added", b"by middleware"))
            await send(message)

        if scope["path"] == "/stream":
            await self._stream(scope, receive, send_more)
            return
        await send_more({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
        await send({"type": "http.response.body", "body": b"ok"})


LENGTH = (b"content-length", b"2")


def wait_until(condition: Callable[[], bool], within: float = PATIENCE) -> None:
    """Wait for what must become true in its own time, which is not more than `within` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.01)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What arrives, up to and with `end`."""
    data = b""
    while end not in data:
        part = connection.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    return data


def read_all(connection: socket.socket) -> bytes:
    """What arrives until the other side closes."""
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


async def _identify(_scope: Scope) -> Caller | None:
    await asyncio.sleep(0)
    return Caller("ada", "s", FOREVER)


def _certify(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
