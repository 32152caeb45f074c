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
from bench.contestants import Contestant, run_turn, start_deskwire
from bench.report import Figure
from bench.servers import temporary_folder

STREAM_COUNT = 2_000
CPU_SECONDS = 1.5  # of CPU; some six thousand samples
MIN_SHARE_PERCENT = 1.0  # %; what is left is small

TITLES_BY_LIBRARY = {
    "[kernel.kallsyms]": "the kernel",
    "loop": "uvloop",
    "python": "the interpreter",
}

PERF_LINE = re.compile(r"^\s*([0-9.]+)%\s+(\S+)", re.MULTILINE)


def reason_not_to_run() -> str | None:
    """What is missing to sample, None where nothing is."""
    if shutil.which("perf") is None:
        return "fan-out: perf is not installed"
    return None if find_compiler() else "fan-out: no C compiler"


def sample_shares() -> list[Figure]:
    """Shares of the server's CPU by whose code it is, largest first."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        ours, _ = start_deskwire(stack, folder, STREAM_COUNT)
        ours.listeners.open(STREAM_COUNT)
        run_turn(ours, 0.1)
        kept = str(folder / "samples")
        with _recording_perf(ours, kept):
            run_turn(ours, CPU_SECONDS)
        command = ["perf", "report", "-i", kept, "--stdio", "--sort", "dso", "-g", "none"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    shares = [(_library_title(library), float(share)) for share, library in PERF_LINE.findall(told)]
    return [
        Figure(f"fan-out to {STREAM_COUNT:,}: {name}", share, "%", 0, 0)
        for name, share in shares
        if share >= MIN_SHARE_PERCENT
    ]


@contextmanager
def _recording_perf(contestant: Contestant, kept: str) -> Iterator[None]:
    """`perf` attached to a server while the block runs."""
    command = ["perf", "record", "-q", "-o", kept, "-p", str(contestant.server.pid)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as perf:
        try:
            yield
        finally:
            perf.send_signal(signal.SIGINT)


def _library_title(library: str) -> str:
    stem = library.split(".", 1)[0] if not library.startswith("[") else library
    return TITLES_BY_LIBRARY.get(stem.removeprefix("lib").rstrip("0123456789"), stem)
