"""Measure a burst: a hundred events at once to two thousand streams that hear different subsets.

The events are appended in one transaction by a command that the bench adds to the control socket,
because no sender can make a hundred at once; from the commit on, everything is as shipped. A
delivery is one event heard by one stream. The limit in C sends each with a `send()` of its own.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.c_programs import NO_COMPILER_REASON, find_compiler
from bench.contestants import Contestant, make_poster, start_c_limit, start_deskwire
from bench.machine import MachineNoise, cap_streams
from bench.many_people import side_guilds_of
from bench.report import Figure, Report, figure_of_rounds
from bench.serve_with_hooks import PADDING, target_guilds
from bench.servers import WITH_HOOKS, temporary_folder
from bench.webhook_bodies import GUILD
from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame

STREAM_COUNT = 2_000
EVENTS_PER_BURST = 100  # in one burst
ROUND_COUNT = 5
BURSTS_PER_TURN = 20  # per turn; about a second of CPU
LIMIT_EVENTS_PER_TURN = 60  # per turn of the limit

MAX_COST_RATIO = 0.06  # × the C limit's CPU per delivery
MAX_CALLS_RATIO = 1.05  # system calls that write, per stream and burst; checkpoints make it uneven


class BurstCost(NamedTuple):
    """The cost of one turn."""

    cpu_seconds: float  # s per burst
    write_calls: float  # system calls that write, per burst


def measure() -> Report:
    """Alternate bursts of Deskwire and rounds of the limit."""
    streams = cap_streams(STREAM_COUNT)
    method = f"{EVENTS_PER_BURST} events at once to {streams:,} streams with different channels"
    if find_compiler() is None:
        return Report("burst", method, [], not_measured=NO_COMPILER_REASON)
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        length = _write_frame_file(folder)
        ours, _ = start_deskwire(stack, folder, streams, WITH_HOOKS)
        limit = start_c_limit(stack, folder, streams)
        _run_bursts(ours, 0)
        unheard = _run_bursts(ours, 0)
        for each in (ours, limit):
            each.listeners.open(streams)
        heard = sum(events_heard_by(index) for index in range(streams))
        _run_bursts(ours, heard)
        noise = MachineNoise(lambda: ours.cpu() + limit.cpu())
        rounds = [(_run_bursts(ours, heard), _run_limit(limit)) for _ in range(ROUND_COUNT)]
        method += f"; each hears {heard / streams:.0f} of them on average, {length} bytes each"
        calls = [(burst.write_calls - unheard.write_calls) / streams for burst, _ in rounds]
        costs = [burst.cpu_seconds / heard * 1e6 for burst, _ in rounds]
        limits = [cost for _, cost in rounds]
        figures = _time_figures(costs, limits, unheard.cpu_seconds / heard * 1e6)
        return Report(
            "burst", method, _ratio_figures(costs, limits, calls), figures, noise.read_share()
        )


def events_heard_by(index: int) -> int:
    """Count the events of a burst that the person with this number may hear."""
    guilds = {GUILD, *side_guilds_of(index)}
    return sum(guild in guilds for guild in target_guilds(EVENTS_PER_BURST))


def _write_frame_file(folder: Path) -> int:
    """Write a frame as long as those of the burst, for the limit; return its length in bytes."""
    data = f'{{"workspace":"guild:{GUILD}","actor":"bench","text":"{PADDING}"}}'
    frame = event_frame(Cursor("0" * 8, 1_000), "ticket.claimed", data, 10**12)
    return (folder / "frame").write_bytes(frame)


def _run_bursts(ours: Contestant, heard: int) -> BurstCost:
    """Run bursts, each heard `heard` times in all before the next; return the cost of one."""
    server, listeners = ours.server, ours.listeners
    listeners.reset_counts()
    before, calls = server.read_cpu(), server.count_writes()
    for number in range(1, BURSTS_PER_TURN + 1):
        server.run_command("bench.append", events=EVENTS_PER_BURST)
        listeners.wait_for_events(number * heard)
    counts = listeners.read_counts()
    if counts.heard != BURSTS_PER_TURN * heard or counts.again:
        raise RuntimeError(
            f"events were lost or heard twice: {counts}, not {BURSTS_PER_TURN * heard}"
        )
    written = server.count_writes() - calls - counts.ticks  # heartbeats are not part of the burst
    return BurstCost((server.read_cpu() - before) / BURSTS_PER_TURN, written / BURSTS_PER_TURN)


def _run_limit(limit: Contestant) -> float:
    """Return the µs of CPU per delivery."""
    listeners = limit.listeners
    listeners.reset_counts()
    before = limit.server.read_cpu()
    make_poster(limit.server.port, f"/{LIMIT_EVENTS_PER_TURN}")()
    listeners.wait_for_events(LIMIT_EVENTS_PER_TURN * listeners.count)
    return (limit.server.read_cpu() - before) / (LIMIT_EVENTS_PER_TURN * listeners.count) * 1e6


def _ratio_figures(costs: list[float], limits: list[float], calls: list[float]) -> list[Figure]:
    ratios = [cost / limit for cost, limit in zip(costs, limits, strict=True)]
    return [
        figure_of_rounds("CPU per delivery, of the C limit's", ratios, "×", MAX_COST_RATIO),
        figure_of_rounds("writing system calls per stream and burst", calls, "", MAX_CALLS_RATIO),
    ]


def _time_figures(costs: list[float], limits: list[float], unheard: float) -> list[Figure]:
    return [
        figure_of_rounds("Deskwire: CPU per delivery", costs, "µs"),
        figure_of_rounds("of it the cost of a burst that no stream hears", [unheard], "µs"),
        figure_of_rounds("C limit: CPU per delivery", limits, "µs"),
    ]
