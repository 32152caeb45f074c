"""Starting: what a command costs before it does anything, and how soon a server is ready."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import Noise
from bench.report import Part, of_rounds
from bench.servers import DESKWIRE, ROOT, START_TIMEOUT, scratch, start

ROUNDS = 9
STEP = 0.002  # s between two looks at /readyz

VERSION = ("-c", "from deskwire.cli.main import main; main()", "--version")
TYPER = ("-c", "import typer")
IMPORTS = ("-c", "import deskwire.cli.main, deskwire.server.serve")

VERSION_BAR = 2.0  # × a bare import of typer
SERVE_BAR = 1.3  # × the time the server's imports take

HOW = f"{ROUNDS} alternations; the server starts on a database that is there already"


def measure() -> Part:
    """Start everything in turn."""
    with scratch() as folder:
        _time_serving(folder)  # makes the database, and warms the caches
        noise = Noise(lambda: 0.0)
        rounds = [
            (_time(VERSION), _time(TYPER), _time_serving(folder), _time(IMPORTS))
            for _ in range(ROUNDS)
        ]
        share = noise.share()
    version, typer, serving, imports = zip(*rounds, strict=True)
    ratios = [
        of_rounds("deskwire --version, of `import typer`", _over(version, typer), "×", VERSION_BAR),
        of_rounds("until ready, of the server's imports", _over(serving, imports), "×", SERVE_BAR),
    ]
    figures = [
        of_rounds("deskwire --version", version, "ms"),
        of_rounds("import typer", typer, "ms"),
        of_rounds("until ready", serving, "ms"),
        of_rounds("the server's imports", imports, "ms"),
    ]
    return Part("start", HOW, ratios, figures, share)


def _over(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def _time(command: Sequence[str]) -> float:
    """Milliseconds from the start of `python COMMAND` to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - began) * 1000


def _time_serving(folder: Path) -> float:
    """Milliseconds from the start of `deskwire serve` until /readyz says yes."""
    began = time.perf_counter()
    server = start(DESKWIRE, folder)
    try:
        while not server.is_ready():
            if time.perf_counter() - began > START_TIMEOUT:
                raise TimeoutError(server.log())
            time.sleep(STEP)
        return (time.perf_counter() - began) * 1000
    finally:
        server.stop()
