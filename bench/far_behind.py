"""Measure streams that return from behind the event buffer: memory, time, and who else waits.

Three hundred return at once, 10,000 entries behind (they are told to reload), then 900 entries of
1 kB behind (they are replayed from the log). The server's buffer is small, so that few entries are
enough. Meanwhile another stream listens, and an event every few milliseconds must reach it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.c_programs import NO_COMPILER_REASON, find_compiler
from bench.contestants import Contestant, start_deskwire
from bench.guild_owner import STREAM_PATH
from bench.machine import MachineNoise
from bench.many_people import write_request_heads
from bench.report import Figure, Report, figure_of_rounds
from bench.servers import WITH_HOOKS, temporary_folder
from bench.storm import read_cursor
from bench.stream_readers import StreamReaders, running_readers

STREAM_COUNT = 300
FAR_BEHIND = 10_000  # entries; more than MAX_BEHIND
NEAR_BEHIND = 900  # entries; less than MAX_BEHIND
ENTRIES_PER_COMMAND = 1_000  # entries appended in one transaction
BUFFER_BYTES = 128 * 1024  # bytes; about ninety entries
LIVE_INTERVAL = 0.02  # s between two events for the stream that listens meanwhile

MAX_MEMORY_MB = 64.0  # MB more than before, at the most
MAX_SECONDS = 5.0  # s until all are answered
# Statements: two for each page of 100 entries, for itself and for what is to be erased of it.
MAX_NEAR_STATEMENTS = 2 * (NEAR_BEHIND / 100 + 1)

METHOD = (
    f"{STREAM_COUNT} streams return at once from behind the buffer, {FAR_BEHIND:,} entries behind "
    f"(reset), then {NEAR_BEHIND} entries of 1 kB behind (replayed)"
)


class ReturnCost(NamedTuple):
    """The costs of one return of all streams."""

    memory_mb: float  # MB; the highest RSS, above the RSS before
    seconds: float  # s until all were answered
    statements: float  # statements that read the log
    live_seconds: float  # s; the longest that an event needed to the stream that listened


def measure() -> Report:
    """Let all streams return twice to the same server."""
    if find_compiler() is None:
        return Report("far_behind", METHOD, [], not_measured=NO_COMPILER_REASON)
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        ours, tokens = start_deskwire(
            stack, folder, STREAM_COUNT, WITH_HOOKS, COUNT_SQL="yes", BUFFER_BYTES=str(BUFFER_BYTES)
        )
        noise = MachineNoise(ours.server.read_cpu)
        epoch, _, start = read_cursor(ours, tokens[0]).partition("-")
        for _ in range(FAR_BEHIND // ENTRIES_PER_COMMAND):
            ours.server.run_command("bench.append_long", events=ENTRIES_PER_COMMAND)
        near_start = int(start) + FAR_BEHIND - NEAR_BEHIND
        ours.listeners.open(1)
        far = _measure_return(ours, folder, tokens, f"{epoch}-{start}", 0)
        near = _measure_return(ours, folder, tokens, f"{epoch}-{near_start}", NEAR_BEHIND)
        share = noise.read_share()
    figures = [*_figures("far behind", far, 0.0), *_figures("near", near, MAX_NEAR_STATEMENTS)]
    return Report("far_behind", METHOD, figures, [], share)


def _measure_return(
    ours: Contestant, folder: Path, tokens: list[str], cursor: str, events_each: int
) -> ReturnCost:
    server = ours.server
    heads = write_request_heads(folder / "returning", tokens, cursor)
    with running_readers(folder, server.port, STREAM_PATH, heads) as readers:
        statements = _count_log_statements(ours)
        memory = _read_status(server.pid, "VmRSS")
        Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # resets VmHWM
        with ThreadPoolExecutor(1) as thread:
            returning = thread.submit(_open_all, readers, len(tokens), events_each)
            live_seconds = _publish_until(ours, returning.done)
            seconds = returning.result()
        peak = _read_status(server.pid, "VmHWM")
        return ReturnCost(
            (peak - memory) / 1e6, seconds, _count_log_statements(ours) - statements, live_seconds
        )


def _open_all(readers: StreamReaders, count: int, events_each: int) -> float:
    """Open all streams at once; return the seconds until each has heard what it missed."""
    return readers.open(count, count) + readers.wait_for_events(count * events_each)


def _publish_until(ours: Contestant, is_done: Callable[[], bool]) -> float:
    """Publish to the stream that listens; return the seconds of the slowest event."""
    slowest, heard = 0.0, int(ours.listeners.read_counts().heard)
    while True:
        finished = is_done()  # at least one event is published
        began = time.perf_counter()
        ours.publish()
        heard += 1
        ours.listeners.wait_for_events(heard)
        slowest = max(slowest, time.perf_counter() - began)
        if finished:
            return slowest
        time.sleep(LIVE_INTERVAL)


def _count_log_statements(ours: Contestant) -> int:
    return int(ours.server.run_command("bench.statements").get("log", 0))


def _read_status(pid: int, name: str) -> int:
    """Return a value of /proc/PID/status in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


def _figures(name: str, cost: ReturnCost, max_statements: float) -> list[Figure]:
    return [
        figure_of_rounds(f"{name}: memory at the most", [cost.memory_mb], "MB", MAX_MEMORY_MB),
        figure_of_rounds(f"{name}: until all are answered", [cost.seconds], "s", MAX_SECONDS),
        figure_of_rounds(
            f"{name}: statements that read the log", [cost.statements], "", max_statements
        ),
        figure_of_rounds(f"{name}: slowest live event meanwhile", [cost.live_seconds], "s"),
    ]
