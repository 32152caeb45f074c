"""Run contestants as server processes in folders of their own, and read the CPU they use."""

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
DRAIN_TIMEOUT = 120.0  # s to process a backlog of deliveries
POLL_INTERVAL = 0.05  # s between two checks of a condition
DATABASE_FILE = "data/deskwire.db"  # below its working directory

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
        self._database_url = url  # empty: the embedded default
        self._process = process

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def read_cpu(self) -> float:
        """Return the seconds of CPU used so far by all its threads and children (Linux)."""
        return processes.read_cpu(self._process.pid)

    def read_memory(self) -> int:
        """Return the bytes of memory (PSS) it uses, with its children."""
        return processes.read_memory(self._process.pid)

    def count_writes(self) -> int:
        """Count its write system calls so far (`write` and the like, not `send`)."""
        return processes.count_writes(self._process.pid)

    def count_sockets(self) -> int:
        """Count its open sockets."""
        return processes.count_sockets(self._process.pid)

    def wait_until_ready(self) -> None:
        """Wait until /readyz answers 200."""
        wait_until(self.is_ready, START_TIMEOUT, "the server to answer", self.read_log_tail)

    def wait_until_processed(self) -> None:
        """Wait until all deliveries have been processed."""
        if url := self._database_url:
            what = "its deliveries to be processed"
            wait_until(
                lambda: postgres.count_pending(url) == 0, DRAIN_TIMEOUT, what, self.read_log_tail
            )
            return
        database = sqlite3.connect(f"file:{self.folder / DATABASE_FILE}?mode=ro", uri=True)
        query = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
        wait_until(
            lambda: database.execute(query).fetchone()[0] == 0,
            DRAIN_TIMEOUT,
            query,
            self.read_log_tail,
        )
        database.close()

    def run_command(self, command: str, **arguments: Any) -> Any:
        """Send Deskwire a command over its control socket, as the CLI does."""
        reply = send_command(self.folder / DATABASE_FILE, command, arguments)
        if reply is None:
            raise RuntimeError(f"no server is running:\n{self.read_log_tail()}")
        return reply["result"]

    def read_log_tail(self) -> str:
        """Return the end of the server's log."""
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]

    def send_signal(self, signal_number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(signal_number)

    def stop(self) -> None:
        """Stop it with SIGTERM, then SIGKILL after STOP_TIMEOUT."""
        self.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def is_ready(self) -> bool:
        """Whether /readyz answers 200. Raises RuntimeError if the server has exited."""
        if self._process.poll() is not None:
            raise RuntimeError(f"a server exited at once:\n{self.read_log_tail()}")
        try:
            with connect(self.port) as connection:
                return fetch(connection, build_request("GET", "/readyz", {}))[0] == 200
        except OSError:
            return False


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create a temporary folder; it is deleted after the block."""
    with tempfile.TemporaryDirectory(prefix="deskwire-bench-") as folder:
        yield Path(folder)


@contextmanager
def running_server(
    command: Sequence[str], folder: Path | None = None, **environment: str
) -> Iterator[Server]:
    """Run COMMAND in `folder`, or an empty one, until the block ends; it is ready to answer."""
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
    """Post the deliveries that create the guild and its tickets, and wait until processed."""
    with connect(server.port) as connection:
        for body in setup_bodies():
            status, answer = fetch(connection, signed_request(body))
            if status != 200:
                raise RuntimeError(f"the door refused: {answer!r}\n{server.read_log_tail()}")
    server.wait_until_processed()


def wait_until(
    is_true: Callable[[], bool], timeout: float, what: str, log: Callable[[], str]
) -> None:
    """Poll until `is_true()`. Raises TimeoutError with the server's log after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout:.0f} s for {what}:\n{log()}")
        time.sleep(POLL_INTERVAL)


def _environment(port: int) -> dict[str, str]:
    inherited = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    paths = [str(ROOT), *(str(Path(each).absolute()) for each in inherited)]
    variables = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
    }
    return variables | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PORT": str(port),
        "BOT_WEBHOOK_SECRET": SECRET,
    }


def free_port() -> int:
    """Find a free TCP port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
