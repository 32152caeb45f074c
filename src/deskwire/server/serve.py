"""Serve the application in one process on one socket, and shut down within two seconds."""

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

from deskwire.kit.errors import Conflict
from deskwire.kit.head_limit import HeadLimitProtocol
from deskwire.kit.logging import configure_logging
from deskwire.realtime.uvicorn_takeover import TakeoverProtocol
from deskwire.server.app import Application
from deskwire.server.header_timeout import CHECK_TICKS, HeaderTimeout
from deskwire.server.open_database import OpenedDatabase, open_database
from deskwire.server.services import NO_SERVICES, ServiceFunctions
from deskwire.server.setting_warnings import find_foreign_names, find_warnings
from deskwire.settings import Settings
from deskwire.web.http.log_redaction import redact_secrets

LISTEN_BACKLOG = 4096  # connections; after a restart every stream reconnects at once
MAX_PORT = 65535  # ports are 16 bits
SHUTDOWN_TIMEOUT = 1  # s for requests in flight; streams are ended when shutdown begins

HTTP_PROTOCOL: type[HeadLimitProtocol] = TakeoverProtocol
M_ARENA_MAX = -8  # parameter of mallopt, from <malloc.h>
GC_THRESHOLD = 20_000  # allocations between collections; the default of 700 suits short scripts
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises a Refusal if the server cannot start."""
    configure_logging(settings.log_level, redact_secrets)
    raise_file_limit()
    _use_single_malloc_arena()
    log_setting_warnings(settings)
    listening = bind_socket(settings.host, settings.port)
    try:
        serve_socket(listening, settings, open_database(settings.database_url))
    finally:
        listening.close()


def log_setting_warnings(settings: Settings) -> None:
    """Log what is wrong with settings that do not keep the server from starting."""
    for warning in find_warnings(settings):
        logger.warning(warning)
    for sentence in find_foreign_names():
        logger.info(sentence)


def serve_socket(
    listening: socket.socket,
    settings: Settings,
    opened: OpenedDatabase,
    on_started: Callable[[], None] = lambda: None,
    extra_services: ServiceFunctions = NO_SERVICES,
) -> None:
    """Serve an opened database on a bound socket; close the database at the end.

    Calls `on_started` once the server accepts requests, and runs `extra_services` until the end.
    """
    application = Application(settings, opened, extra_services)
    server = _Server(_create_uvicorn_config(settings, application), application, on_started)
    try:
        server.run(sockets=[listening])
    finally:
        opened.close()


def raise_file_limit() -> None:
    """Raise the limit of open files to the hard limit.

    Every stream is an open socket, and most shells start programs with a soft limit of 1,024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as error:  # macOS refuses its own “unlimited”
        logger.warning("the limit of open files could not be raised: %s", error)


def _use_single_malloc_arena() -> None:
    """Have all threads share one glibc malloc arena, which saves 2 MB at ten thousand streams.

    Other C libraries have no arenas; there this does nothing.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def _create_uvicorn_config(settings: Settings, application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application.asgi,
        http=HTTP_PROTOCOL,
        log_config=None,
        access_log=settings.log_level in ("debug", "info"),
        proxy_headers=False,  # `ProxyHeaders` does it
        server_header=False,
        ws="none",
        lifespan="on",
        backlog=LISTEN_BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )


class _Server(uvicorn.Server):
    """Serve with uvicorn, but end the streams at shutdown, or it would wait for them forever."""

    def __init__(
        self, config: uvicorn.Config, application: Application, on_started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._application = application
        self._on_started = on_started
        self._header_timeout = HeaderTimeout(self.server_state.connections)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn re-raises the signal at the end, which would skip every `finally` of our callers.
        previous = {each: signal.signal(each, self.handle_exit) for each in STOP_SIGNALS}
        try:
            yield
        finally:
            for each, handler in previous.items():
                signal.signal(each, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _tune_garbage_collector()
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            logger.info("Serving on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        self._on_started()

    async def on_tick(self, counter: int) -> bool:
        if counter % CHECK_TICKS == 0:
            self._header_timeout.close_expired()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.drain()
        await super().shutdown(sockets)


def _tune_garbage_collector() -> None:
    """Keep long-lived objects out of garbage collection, a tenth of the cost of a webhook."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 50)


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to the address. Raises Conflict, with what to do, if it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that is too long
        listening.close()
        reason = getattr(error, "strerror", None) or "not a valid host name"
        raise Conflict(
            f"Cannot listen on {host}:{port}: {reason}. {_suggest_fix(error, port)}"
        ) from None
    return listening


def _suggest_fix(error: Exception, port: int) -> str:
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            other = port + 1 if port < MAX_PORT else port - 1
            return f"Stop the program that uses it, or choose another port: PORT={other}"
        case errno.EACCES:
            return "Ports below 1024 need special privileges; choose a higher one: PORT=8000"
        case _:
            return (
                "HOST must be an address of this machine: 127.0.0.1 for local access only, "
                "0.0.0.0 for access from everywhere."
            )
