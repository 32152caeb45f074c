"""Where the CPU goes: the door's two threads, the worker's, and the loop's while streams connect,
by the package that uses it; and a fan-out's, by whose code it is (`sampled`).

Taken with Python's profiler, which makes every call dearer, so packages of many small functions
look larger than they are. Read it for what dominates; the other parts say what it costs.
"""

from __future__ import annotations

import pstats
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from sys import version_info

from bench.c_programs import find_compiler
from bench.contestants import deskwire
from bench.door import Contestant, take_turn
from bench.perf_samples import sample, why_not
from bench.report import Figure, Part
from bench.servers import fill, running, scratch

REQUESTS = 4_000
WORKED = 1_000
STREAMS = 1_000
SHOWN = 8  # packages per thread; what is left is small

HOW = "share of a thread's CPU by package, under the profiler"

PROFILED = ("-m", "bench.serve_profiled")


def measure() -> Part:
    """Profile the door alone, and the whole."""
    lacks = why_not()
    with scratch() as door, scratch() as whole:
        _run("bench.serve_without_worker", door, REQUESTS, works=False)
        _run("deskwire", whole, WORKED, works=True)
        return Part(
            "profile",
            HOW,
            [
                *_shares("door, event loop", door, "loop"),
                *_shares("door, writer thread", door, "db-writer_0"),
                *_shares("whole, writer thread", whole, "db-writer_0"),
                *_connecting(),
                *([] if lacks else sample()),
            ],
            notes=[lacks] if lacks else [],
        )


def _connecting() -> list[Figure]:
    if find_compiler() is None:
        return []
    command = (*PROFILED, "deskwire", "serve")
    with scratch() as profiles:
        with ExitStack() as stack:
            folder = stack.enter_context(scratch())
            ours, _ = deskwire(stack, folder, STREAMS, command, PROFILES=str(profiles))
            ours.server.tell(signal.SIGUSR1)
            ours.listeners.open(STREAMS)
        return _shares("connecting, event loop", profiles, "loop")


def _run(module: str, profiles: Path, requests: int, *, works: bool) -> None:
    command = (*PROFILED, module, "serve")
    with running(command, None, LOG_LEVEL="warning", PROFILES=str(profiles)) as server:
        if works:
            fill(server)
        server.tell(signal.SIGUSR1)
        take_turn(Contestant(server, requests, works), "profile")


def _shares(where: str, folder: Path, thread: str) -> list[Figure]:
    used: Counter[str] = Counter()
    stats = pstats.Stats(str(folder / f"{thread}.prof"))
    for (file, _, name), (_, _, own, *_) in stats.stats.items():  # type: ignore[attr-defined]
        used[_package(file, name)] += own
    whole = used.total()
    return [
        Figure(f"{where}: {package}", 100 * own / whole, "%", 0, 0)
        for package, own in used.most_common(SHOWN)
    ]


def _package(file: str, name: str) -> str:
    """Whose code a function is: ours and libraries' by their package, C by what it belongs to."""
    if file == "~":
        return _of_builtin(name)
    parts = Path(file).with_suffix("").parts
    for place in ("site-packages", "src", f"python{version_info.major}.{version_info.minor}"):
        if place in parts:
            after = parts[parts.index(place) + 1 :]
            return ".".join(after[:2] if after[0] == "deskwire" else after[:1])
    return parts[-1]


def _of_builtin(name: str) -> str:
    for marker in ("sqlite3", "uvloop", "httptools", "hashlib", "hmac", "nh3", "pydantic_core"):
        if marker in name:
            return marker
    return "other built-in functions"
