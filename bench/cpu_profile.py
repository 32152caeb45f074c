"""Profile the CPU by package: the door's two threads, the worker's, and the loop during connects.

A fan-out is sampled by library instead (`perf_samples`). Python's profiler makes every call more
expensive, so packages of many small functions look larger than they are. Use it to see
what dominates; the other parts measure the cost.
"""

from __future__ import annotations

import pstats
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from sys import version_info

from bench.c_programs import find_compiler
from bench.contestants import start_deskwire
from bench.door import Contestant, run_turn
from bench.perf_samples import reason_not_to_run, sample_shares
from bench.report import Figure, Report
from bench.servers import announce_guild, running_server, temporary_folder

REQUESTS_PER_RUN = 4_000
PROCESSED_PER_RUN = 1_000
STREAM_COUNT = 1_000
PACKAGES_SHOWN = 8  # packages per thread; the rest is small

METHOD = "share of a thread's CPU by package, under the profiler"

PROFILED_COMMAND = ("-m", "bench.serve_profiled")


def measure() -> Report:
    """Profile the door alone, and the door with the worker."""
    missing = reason_not_to_run()
    with temporary_folder() as door, temporary_folder() as whole:
        _profile_door("bench.serve_without_worker", door, REQUESTS_PER_RUN, works=False)
        _profile_door("deskwire", whole, PROCESSED_PER_RUN, works=True)
        return Report(
            "profile",
            METHOD,
            [
                *_read_shares("door, event loop", door, "loop"),
                *_read_shares("door, writer thread", door, "db-writer_0"),
                *_read_shares("whole, writer thread", whole, "db-writer_0"),
                *_profile_connects(),
                *([] if missing else sample_shares()),
            ],
            notes=[missing] if missing else [],
        )


def _profile_connects() -> list[Figure]:
    if find_compiler() is None:
        return []
    command = (*PROFILED_COMMAND, "deskwire", "serve")
    with temporary_folder() as profiles:
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder())
            ours, _ = start_deskwire(stack, folder, STREAM_COUNT, command, PROFILES=str(profiles))
            ours.server.send_signal(signal.SIGUSR1)
            ours.listeners.open(STREAM_COUNT)
        return _read_shares("connecting, event loop", profiles, "loop")


def _profile_door(module: str, profiles: Path, requests: int, *, works: bool) -> None:
    command = (*PROFILED_COMMAND, module, "serve")
    with running_server(command, None, LOG_LEVEL="warning", PROFILES=str(profiles)) as server:
        if works:
            announce_guild(server)
        server.send_signal(signal.SIGUSR1)
        run_turn(Contestant(server, requests, works), "profile")


def _read_shares(where: str, folder: Path, thread: str) -> list[Figure]:
    used: Counter[str] = Counter()
    stats = pstats.Stats(str(folder / f"{thread}.prof"))
    for (file, _, name), (_, _, own, *_) in stats.stats.items():  # type: ignore[attr-defined]
        used[_package_of(file, name)] += own
    whole = used.total()
    return [
        Figure(f"{where}: {package}", 100 * own / whole, "%", 0, 0)
        for package, own in used.most_common(PACKAGES_SHOWN)
    ]


def _package_of(file: str, name: str) -> str:
    """Return the package of a function; for built-in functions, the library in C."""
    if file == "~":
        return _package_of_builtin(name)
    parts = Path(file).with_suffix("").parts
    for folder in ("site-packages", "src", f"python{version_info.major}.{version_info.minor}"):
        if folder in parts:
            after = parts[parts.index(folder) + 1 :]
            return ".".join(after[:2] if after[0] == "deskwire" else after[:1])
    return parts[-1]


def _package_of_builtin(name: str) -> str:
    for marker in ("sqlite3", "uvloop", "httptools", "hashlib", "hmac", "nh3", "pydantic_core"):
        if marker in name:
            return marker
    return "other built-in functions"
