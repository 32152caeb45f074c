"""Measure start-up: of a command that does nothing, and of a server until it is ready."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import MachineNoise
from bench.report import Report, figure_of_rounds
from bench.servers import DESKWIRE, ROOT, START_TIMEOUT, start_server, temporary_folder

ROUND_COUNT = 9
POLL_INTERVAL = 0.002  # s between two requests of /readyz

VERSION_COMMAND = ("-c", "from deskwire.cli.main import main; main()", "--version")
IMPORT_TYPER_COMMAND = ("-c", "import typer")
IMPORT_SERVER_COMMAND = ("-c", "import deskwire.cli.main, deskwire.server.serve")

MAX_VERSION_RATIO = 2.0  # × a bare import of typer
MAX_SERVE_RATIO = 1.3  # × the time the server's imports take

METHOD = f"{ROUND_COUNT} alternations; the server starts with an existing database"


def measure() -> Report:
    """Alternate between the commands."""
    with temporary_folder() as folder:
        _time_serving(folder)  # creates the database and warms the caches
        noise = MachineNoise(lambda: 0.0)
        rounds = [
            (
                _time_command(VERSION_COMMAND),
                _time_command(IMPORT_TYPER_COMMAND),
                _time_serving(folder),
                _time_command(IMPORT_SERVER_COMMAND),
            )
            for _ in range(ROUND_COUNT)
        ]
        share = noise.read_share()
    version, typer, serving, imports = zip(*rounds, strict=True)
    ratios = [
        figure_of_rounds(
            "deskwire --version, of `import typer`", _ratios(version, typer), "×", MAX_VERSION_RATIO
        ),
        figure_of_rounds(
            "until ready, of the server's imports", _ratios(serving, imports), "×", MAX_SERVE_RATIO
        ),
    ]
    figures = [
        figure_of_rounds("deskwire --version", version, "ms"),
        figure_of_rounds("import typer", typer, "ms"),
        figure_of_rounds("until ready", serving, "ms"),
        figure_of_rounds("the server's imports", imports, "ms"),
    ]
    return Report("start", METHOD, ratios, figures, share)


def _ratios(times: Sequence[float], yardstick: Sequence[float]) -> list[float]:
    return [time_ / base for time_, base in zip(times, yardstick, strict=True)]


def _time_command(command: Sequence[str]) -> float:
    """Return the milliseconds from the start of `python COMMAND` to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def _time_serving(folder: Path) -> float:
    """Return the milliseconds from the start of `deskwire serve` until /readyz answers 200."""
    began = time.perf_counter()
    server = start_server(DESKWIRE, folder)
    try:
        while not server.is_ready():
            if time.perf_counter() - began > START_TIMEOUT:
                raise TimeoutError(server.read_log_tail())
            time.sleep(POLL_INTERVAL)
        return (time.perf_counter() - began) * 1000
    finally:
        server.stop()
