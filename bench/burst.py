"""A burst: a hundred events at once to two thousand streams that hear different parts of them.

The events are appended in one transaction by a command the bench adds to the shell's entrance, as
no sender can make a hundred at once; from the commit on all is as shipped. A delivery is one event
heard by one stream. The limit in C sends each with a `send()` of its own.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench.c_programs import NO_COMPILER, find_compiler
from bench.contestants import Contestant, deskwire, limit, poster
from bench.machine import Noise, most_streams
from bench.many_people import sides_of
from bench.report import Figure, Part, of_rounds
from bench.serve_with_hooks import PADDING, audiences
from bench.servers import HOOKED, scratch
from bench.webhook_bodies import GUILD
from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame

STREAMS = 2_000
EVENTS = 100  # in one burst
ROUNDS = 5
BURSTS = 20  # per turn; about a second of CPU
LIMIT_EVENTS = 60  # per turn of the limit

COST_BAR = 0.06  # × the C limit's CPU per delivery
CALLS_BAR = 1.05  # system calls that write, per stream and burst; checkpoints make it uneven


class Turn(NamedTuple):
    """What one turn cost."""

    cpu: float  # s per burst
    calls: float  # system calls that write, per burst


def measure() -> Part:
    """Bursts of ours and rounds of the limit in turn."""
    streams = most_streams(STREAMS)
    how = f"{EVENTS} events at once to {streams:,} streams with different channels"
    if find_compiler() is None:
        return Part("burst", how, [], not_measured=NO_COMPILER)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        length = _keep_frame(folder)
        ours, _ = deskwire(stack, folder, streams, HOOKED)
        other = limit(stack, folder, streams)
        _burst(ours, 0)
        unheard = _burst(ours, 0)
        for each in (ours, other):
            each.listeners.open(streams)
        heard = sum(heard_by(index) for index in range(streams))
        _burst(ours, heard)
        noise = Noise(lambda: ours.cpu() + other.cpu())
        rounds = [(_burst(ours, heard), _one_by_one(other)) for _ in range(ROUNDS)]
        how += f"; each hears {heard / streams:.0f} of them on average, {length} bytes each"
        calls = [(ours.calls - unheard.calls) / streams for ours, _ in rounds]
        costs = [ours.cpu / heard * 1e6 for ours, _ in rounds]
        limits = [cost for _, cost in rounds]
        figures = _figures(costs, limits, unheard.cpu / heard * 1e6)
        return Part("burst", how, _ratios(costs, limits, calls), figures, noise.share())


def heard_by(index: int) -> int:
    """How many events of a burst the person with this number may hear."""
    held = {GUILD, *sides_of(index)}
    return sum(guild in held for guild in audiences(EVENTS))


def _keep_frame(folder: Path) -> int:
    """A frame of the length that those of the burst have, for the limit."""
    told = f'{{"workspace":"guild:{GUILD}","actor":"bench","text":"{PADDING}"}}'
    frame = event_frame(Cursor("0" * 8, 1_000), "ticket.claimed", told, 10**12)
    return (folder / "frame").write_bytes(frame)


def _burst(ours: Contestant, heard: int) -> Turn:
    """Some bursts, each heard `heard` times in all before the next; what one costs."""
    server, listeners = ours.server, ours.listeners
    listeners.reset()
    before, calls = server.cpu(), server.writes()
    for number in range(1, BURSTS + 1):
        server.ask("bench.append", events=EVENTS)
        listeners.wait(number * heard)
    counts = listeners.counts()
    if counts.heard != BURSTS * heard or counts.again:
        raise RuntimeError(f"something was lost or came twice: {counts}, not {BURSTS * heard}")
    written = server.writes() - calls - counts.ticks  # a heartbeat is none of the burst's
    return Turn((server.cpu() - before) / BURSTS, written / BURSTS)


def _one_by_one(other: Contestant) -> float:
    """µs of CPU per delivery."""
    listeners = other.listeners
    listeners.reset()
    before = other.server.cpu()
    poster(other.server.port, f"/{LIMIT_EVENTS}")()
    listeners.wait(LIMIT_EVENTS * listeners.count)
    return (other.server.cpu() - before) / (LIMIT_EVENTS * listeners.count) * 1e6


def _ratios(costs: list[float], limits: list[float], calls: list[float]) -> list[Figure]:
    ratios = [cost / limit for cost, limit in zip(costs, limits, strict=True)]
    return [
        of_rounds("CPU per delivery, of the C limit's", ratios, "×", COST_BAR),
        of_rounds("writing system calls per stream and burst", calls, "", CALLS_BAR),
    ]


def _figures(costs: list[float], limits: list[float], unheard: float) -> list[Figure]:
    return [
        of_rounds("Deskwire: CPU per delivery", costs, "µs"),
        of_rounds("of it what a burst costs that nobody hears", [unheard], "µs"),
        of_rounds("C limit: CPU per delivery", limits, "µs"),
    ]
