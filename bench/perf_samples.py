"""Sample the CPU of a fan-out by library with the kernel's profiler, if `perf` is installed.

Python's profiler cannot see it: uvloop's writes are compiled and count for their caller.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.c_programs import find_compiler
from bench.contestants import Contestant, run_turn, start_deskwire
from bench.report import Figure
from bench.servers import temporary_folder

STREAM_COUNT = 2_000
CPU_SECONDS = 1.5  # s of CPU; some 6,000 samples
MIN_SHARE_PERCENT = 1.0  # %; the rest is small

TITLES_BY_LIBRARY = {
    "[kernel.kallsyms]": "the kernel",
    "loop": "uvloop",
    "python": "the interpreter",
}

PERF_LINE = re.compile(r"^\s*([0-9.]+)%\s+(\S+)", re.MULTILINE)


def reason_not_to_run() -> str | None:
    """Return what is missing for sampling, or None."""
    if shutil.which("perf") is None:
        return "fan-out: perf is not installed"
    return None if find_compiler() else "fan-out: no C compiler"


def sample_shares() -> list[Figure]:
    """Sample the shares of the server's CPU by library, largest first."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        ours, _ = start_deskwire(stack, folder, STREAM_COUNT)
        ours.listeners.open(STREAM_COUNT)
        run_turn(ours, 0.1)
        samples = str(folder / "samples")
        with _recording_perf(ours, samples):
            run_turn(ours, CPU_SECONDS)
        command = ["perf", "report", "-i", samples, "--stdio", "--sort", "dso", "-g", "none"]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares = [
        (_library_title(library), float(share)) for share, library in PERF_LINE.findall(output)
    ]
    return [
        Figure(f"fan-out to {STREAM_COUNT:,}: {name}", share, "%", 0, 0)
        for name, share in shares
        if share >= MIN_SHARE_PERCENT
    ]


@contextmanager
def _recording_perf(contestant: Contestant, samples: str) -> Iterator[None]:
    """Record samples of a server with `perf` until the block ends."""
    command = ["perf", "record", "-q", "-o", samples, "-p", str(contestant.server.pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
        try:
            yield
        finally:
            perf.send_signal(signal.SIGINT)


def _library_title(library: str) -> str:
    stem = library.split(".", 1)[0] if not library.startswith("[") else library
    return TITLES_BY_LIBRARY.get(stem.removeprefix("lib").rstrip("0123456789"), stem)
