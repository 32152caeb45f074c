"""Serving: one process, one listening socket, an end within two seconds."""

from __future__ import annotations

import ctypes
import errno
import gc
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deskwire.kit.errors import Conflict
from deskwire.kit.logging import set_up
from deskwire.realtime.uvicorn_takeover import TakeoverProtocol
from deskwire.server.app import Application
from deskwire.server.header_timeout import LOOK_TICKS, Heads
from deskwire.server.services import NOTHING, Opened, Runs, open_database
from deskwire.settings import Settings
from deskwire.web.http.log_redaction import redact

BACKLOG = 4096  # connections; a restart brings every stream back at once
MAX_PORT = 65535  # ports are 16 bits
FINISH = 1  # s for requests under way at shutdown; streams are ended at its start

PROTOCOL: type[HttpToolsProtocol] = TakeoverProtocol
M_ARENA_MAX = -8  # <malloc.h>
YOUNG = 20_000  # objects made before the collector looks at them; Python's 700 are for scripts
SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises a Refusal with a sentence if it cannot start."""
    set_up(settings.log_level, redact)
    raise_file_limit()
    _keep_one_heap()
    for weakness in settings.weaknesses:
        logger.warning(weakness)
    listening = listen(settings.host, settings.port)
    try:
        serve_on(listening, settings, open_database(settings.database_url))
    finally:
        listening.close()


def serve_on(
    listening: socket.socket,
    settings: Settings,
    opened: Opened,
    announce: Callable[[], None] = lambda: None,
    beside: Runs = NOTHING,
) -> None:
    """Serve an opened database on a bound socket; closes the database at the end.

    `announce` is called once, when requests are answered; `beside`: what else runs meanwhile.
    """
    application = Application(settings, opened, beside)
    server = _Server(_config(settings, application), application, announce)
    try:
        server.run(sockets=[listening])
    finally:
        opened.close()


def raise_file_limit() -> None:
    """Let this process open as many files and sockets as the machine allows it.

    A stream is an open socket; most shells start programs with a limit of 1,024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:  # macOS refuses what it calls unlimited
        logger.warning("the limit of open files stays as it is: %s", error)


def _keep_one_heap() -> None:
    """Have all threads share glibc's heap; with one for each, ten thousand streams take 2 MB more.

    Other C libraries have no such thing, and nothing to be told.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _config(settings: Settings, application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application.asgi,
        http=PROTOCOL,
        log_config=None,
        access_log=settings.log_level in ("debug", "info"),
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        server_header=False,
        ws="none",
        lifespan="on",
        backlog=BACKLOG,
        timeout_graceful_shutdown=FINISH,
    )


class _Server(uvicorn.Server):
    """Ends the streams before it waits for connections; otherwise it would wait for ever."""

    def __init__(
        self, config: uvicorn.Config, application: Application, announce: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._application = application
        self._announce = announce
        self._heads = Heads(self.server_state.connections)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signal again at the end, which would skip every `finally` above us.
        before = {each: signal.signal(each, self.handle_exit) for each in SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _spare_the_collector()
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            logger.info("Serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        self._announce()

    async def on_tick(self, counter: int) -> bool:
        if counter % LOOK_TICKS == 0:
            self._heads.look()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.drain()
        await super().shutdown(sockets)


def _spare_the_collector() -> None:
    """A tenth of what a webhook costs was looking for garbage among what lives for ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address. Raises Conflict with what to do if it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, UnicodeError) as error:  # UnicodeError: a name too long to be asked for
        listening.close()
        reason = getattr(error, "strerror", None) or "this is no name"
        raise Conflict(
            f"Cannot listen on {host}:{port}: {reason}. {_advice(error, port)}"
        ) from None
    return listening


def _advice(error: Exception, port: int) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            other = port + 1 if port < MAX_PORT else port - 1
            return f"Stop what uses it, or choose another port: PORT={other}"
        case errno.EACCES:
            return "Ports below 1024 are not for everybody; choose a higher one: PORT=8000"
        case _:
            return (
                "HOST must be an address of this machine: 127.0.0.1 is reached from here only, "
                "0.0.0.0 from everywhere."
            )
