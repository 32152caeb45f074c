"""Where the CPU of a fan-out goes, sampled by the kernel's own profiler where `perf` is there.

Python's profiler cannot see it: uvloop's writes are compiled and count as their caller's.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.c_programs import find_compiler
from bench.contestants import Contestant, deskwire, take_turn
from bench.report import Figure
from bench.servers import scratch

STREAMS = 2_000
SECONDS = 1.5  # of CPU; some six thousand samples
LEAST = 1.0  # %; what is left is small

NAMES = {"[kernel.kallsyms]": "the kernel", "loop": "uvloop", "python": "the interpreter"}

LINE = re.compile(r"^\s*([0-9.]+)%\s+(\S+)", re.MULTILINE)


def why_not() -> str | None:
    """What is missing to sample, None where nothing is."""
    if shutil.which("perf") is None:
        return "fan-out: perf is not installed"
    return None if find_compiler() else "fan-out: no C compiler"


def sample() -> list[Figure]:
    """Shares of the server's CPU by whose code it is, largest first."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        ours, _ = deskwire(stack, folder, STREAMS)
        ours.listeners.open(STREAMS)
        take_turn(ours, 0.1)
        kept = str(folder / "samples")
        with _recording(ours, kept):
            take_turn(ours, SECONDS)
        command = ["perf", "report", "-i", kept, "--stdio", "--sort", "dso", "-g", "none"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares = [(_name(library), float(share)) for share, library in LINE.findall(told)]
    return [
        Figure(f"fan-out to {STREAMS:,}: {name}", share, "%", 0, 0)
        for name, share in shares
        if share >= LEAST
    ]


@contextmanager
def _recording(contestant: Contestant, kept: str) -> Iterator[None]:
    """`perf` attached to a server while the block runs."""
    command = ["perf", "record", "-q", "-o", kept, "-p", str(contestant.server.pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
        try:
            yield
        finally:
            perf.send_signal(signal.SIGINT)


def _name(library: str) -> str:
    stem = library.split(".", 1)[0] if not library.startswith("[") else library
    return NAMES.get(stem.removeprefix("lib").rstrip("0123456789"), stem)
