"""A proxy that cuts: everything passes, until all its connections end in the middle of a byte.

with Cutter(server.port) as cutter:
    stream = sse.connect(cutter.port, "/api/events", cookie)
    cutter.cut()
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType

AT_ONCE = 64 * 1024  # bytes
PATIENCE = 10.0  # s for a thread to end


class Cutter:
    """Listens on `port`, connects to `target`. `every`: cuts by itself after so many seconds."""

    def __init__(self, target: int, every: float | None = None) -> None:
        self._target = target
        self._every = every
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.cuts = 0  # that ended a connection
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._is_over = Event()

    def __enter__(self) -> Cutter:
        self._threads = [Thread(target=self._accept, daemon=True)]
        if self._every is not None:
            self._threads.append(Thread(target=self._cut_again, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(PATIENCE)

    def cut(self) -> None:
        """End every connection now, without a word to either side."""
        with self._lock:
            ending, self._open = self._open, set()
        self.cuts += bool(ending)
        for each in ending:
            _end(each)

    def _cut_again(self) -> None:
        while not self._is_over.wait(self._every):
            self.cut()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:  # nobody is there: neither are we
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(AT_ONCE):
                sink.sendall(part)
        with self._lock:
            self._open -= {source, sink}
        _end(source)
        _end(sink)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)  # wakes who reads; close alone would not
    connection.close()
