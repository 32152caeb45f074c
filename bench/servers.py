"""Contestants: server processes in folders of their own, and the CPU they have used."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import postgres, processes
from bench.sockets import HOST, build_request, connect, fetch
from bench.webhook_bodies import SECRET, setup_bodies, signed_request
from deskwire.server.control import send_command

ROOT = Path(__file__).parent.parent
START_TIMEOUT = 30.0  # s until a server answers
STOP_TIMEOUT = 10.0  # s from SIGTERM to the end
DRAIN_TIMEOUT = 120.0  # s for a backlog of deliveries
POLL_INTERVAL = 0.05  # s between two looks at something that is waited for
DATABASE_FILE = "data/deskwire.db"  # where Deskwire keeps everything, below its folder

DESKWIRE = ("-c", "from deskwire.cli.main import main; main()", "serve")  # as shipped
WITHOUT_WORKER = ("-m", "bench.serve_without_worker", "serve")
WITH_HOOKS = ("-m", "bench.serve_with_hooks", "serve")
WITH_BENCH_PAGES = ("-m", "bench.serve_with_bench_pages", "serve")
BASELINE_DOOR = ("-m", "bench.baseline_door")
BASELINE_LIVE = ("-m", "bench.baseline_live")


class Server:
    """A running contestant."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, folder: Path, url: str = ""
    ) -> None:
        self.port = port
        self.folder = folder
        self._database_url = url  # none: the embedded default
        self._process = process

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def read_cpu(self) -> float:
        """Seconds of CPU used so far, user and system, by all its threads and children (Linux)."""
        return processes.read_cpu(self._process.pid)

    def read_memory(self) -> int:
        """Bytes: its share of every page it has in memory (PSS), with its children's."""
        return processes.read_memory(self._process.pid)

    def count_writes(self) -> int:
        """System calls it has written with so far (`write` and its like; not `send`)."""
        return processes.count_writes(self._process.pid)

    def count_sockets(self) -> int:
        """Sockets it has open."""
        return processes.count_sockets(self._process.pid)

    def wait_until_ready(self) -> None:
        """Wait for /readyz to say yes."""
        wait_until(self.is_ready, START_TIMEOUT, "the server to answer", self.read_log_tail)

    def wait_until_processed(self) -> None:
        """Wait until nothing the door kept is left to be worked on."""
        if url := self._database_url:
            what = "its deliveries to be worked off"
            wait_until(
                lambda: postgres.count_pending(url) == 0, DRAIN_TIMEOUT, what, self.read_log_tail
            )
            return
        database = sqlite3.connect(f"file:{self.folder / DATABASE_FILE}?mode=ro", uri=True)
        ask = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
        wait_until(
            lambda: database.execute(ask).fetchone()[0] == 0, DRAIN_TIMEOUT, ask, self.read_log_tail
        )
        database.close()

    def run_command(self, command: str, **arguments: Any) -> Any:
        """Give Deskwire a command of the shell's."""
        reply = send_command(self.folder / DATABASE_FILE, command, arguments)
        if reply is None:
            raise RuntimeError(f"nobody serves:\n{self.read_log_tail()}")
        return reply["result"]

    def read_log_tail(self) -> str:
        """The end of what the server wrote."""
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]

    def send_signal(self, signal_number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(signal_number)

    def stop(self) -> None:
        """End it as an operator would."""
        self.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_ready(self) -> bool:
        """Whether /readyz says yes; an error if the server has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"a server ended at once:\n{self.read_log_tail()}")
        try:
            with connect(self.port) as connection:
                return fetch(connection, build_request("GET", "/readyz", {}))[0] == 200
        except OSError:
            return False


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty folder, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="deskwire-bench-") as folder:
        yield Path(folder)


@contextmanager
def running_server(
    command: Sequence[str], folder: Path | None = None, **environment: str
) -> Iterator[Server]:
    """Run COMMAND in a folder (else an empty one) until the block ends; it is ready."""
    with temporary_folder() as empty:
        server = start_server(command, folder or empty, **environment)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


def start_server(command: Sequence[str], folder: Path, **environment: str) -> Server:
    """Start a program by its path, or `python COMMAND`, in `folder`; it may not answer yet."""
    port = int(environment.get("PORT") or free_port())
    program = [] if Path(command[0]).is_absolute() else [sys.executable]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*program, *command],
            cwd=folder,  # no .env of the checkout changes what is measured
            env=_environment(port) | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return Server(process, port, folder, environment.get("DATABASE_URL", ""))


def announce_guild(server: Server) -> None:
    """Tell Deskwire of the Discord server and its tickets, and wait until it knows them."""
    with connect(server.port) as connection:
        for body in setup_bodies():
            status, answer = fetch(connection, signed_request(body))
            if status != 200:
                raise RuntimeError(f"the door refused: {answer!r}\n{server.read_log_tail()}")
    server.wait_until_processed()


def wait_until(
    is_true: Callable[[], bool], timeout: float, what: str, log: Callable[[], str]
) -> None:
    """Look again and again until it is true; an error with the server's log after `timeout`."""
    deadline = time.monotonic() + timeout
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}:\n{log()}")
        time.sleep(POLL_INTERVAL)


def _environment(port: int) -> dict[str, str]:
    known = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    paths = [str(ROOT), *(str(Path(each).absolute()) for each in known)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PORT": str(port),
        "BOT_WEBHOOK_SECRET": SECRET,
    }


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
