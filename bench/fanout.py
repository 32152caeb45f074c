"""Fan-out: one event to thousands of streams, against one `send()` per stream in C.

Deskwire runs as shipped, everybody is somebody else with a session and rights in ten channels, and
events are published as the bot does, by signed webhooks. So the figure holds the door, both
commits, the rendering and the log as well as the heartbeats of all streams; at 10,000 streams they
are about one part in a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import linear_regression, median

from bench.c_programs import NO_COMPILER, find_compiler
from bench.contestants import (
    Contestant,
    Publish,
    Turn,
    deskwire,
    keep_frame,
    limit,
    take_turn,
    webhooks,
)
from bench.machine import Noise, most_streams
from bench.many_people import CHANNELS, FEW, QUIET
from bench.report import Figure, Part, of_rounds
from bench.servers import scratch

SIZES = (100, 1_000, 5_000, 10_000, 15_000)  # streams
MAIN = 10_000  # streams the bar is for
FITTED = (1_000, 5_000, 15_000)  # streams; the cost of an event is a + b·N over these
ROUNDS = 5
SECONDS = 2.0  # of CPU per turn at the main size; 200 ticks of its clock
SIDE_ROUNDS = 3
SIDE_SECONDS = 0.8
QUIET_ROUNDS = 5
QUIET_EVENTS = 80  # per round

LIMIT_BAR = 1.35  # × the C limit's CPU per send
FLAT_BAR = 1.15  # × the slope of the smaller sizes
QUIET_BAR = 1.15  # × the CPU of an event to few while nobody else is there

Rounds = list[tuple[Turn, Turn]]  # ours, the limit's


@dataclass(frozen=True, slots=True)
class Sized:
    """The rounds at one number of streams."""

    count: int
    rounds: Rounds

    def ours(self, name: str) -> list[float]:
        return [getattr(ours, name) for ours, _ in self.rounds]

    def limits(self, name: str) -> list[float]:
        return [getattr(other, name) for _, other in self.rounds]

    def ratios(self) -> list[float]:
        return [ours.per_send / other.per_send for ours, other in self.rounds]


def measure() -> Part:
    """Grow from few streams to many, taking turns with the limit at each size."""
    if find_compiler() is None:
        return Part("fanout", "one event to thousands of streams", [], not_measured=NO_COMPILER)
    sizes = sorted({most_streams(size) for size in SIZES})
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        ours, tokens = deskwire(stack, folder, sizes[-1])
        length = keep_frame(folder, ours.server, tokens[0])
        other = limit(stack, folder, sizes[-1])
        noise = Noise(lambda: ours.cpu() + other.cpu())
        quiet = webhooks(ours.server.port, QUIET, "quiet")
        _open(ours, FEW)
        _quiet_turn(ours, quiet)  # makes the ticket
        alone = [_quiet_turn(ours, quiet) for _ in range(QUIET_ROUNDS)]
        sized = [_grow_to(size, ours, other) for size in sizes]
        crowded = [_quiet_turn(ours, quiet) for _ in range(QUIET_ROUNDS)]
        how = (
            f"one event of {length} bytes to up to {sizes[-1]:,} streams in {CHANNELS} channels "
            f"each, published by signed webhooks"
        )
        ratios = [*_ratios(sized), _quiet_ratio(alone, crowded)]
        return Part("fanout", how, ratios, _figures(sized), noise.share())


def _open(contestant: Contestant, size: int) -> None:
    contestant.listeners.open(size - contestant.listeners.count)


def _grow_to(size: int, ours: Contestant, other: Contestant) -> Sized:
    is_main = size == most_streams(MAIN)
    seconds, rounds = (SECONDS, ROUNDS) if is_main else (SIDE_SECONDS, SIDE_ROUNDS)
    for each in (ours, other):
        _open(each, size)
        take_turn(each, 0.1)
    turns = [(take_turn(ours, seconds), take_turn(other, seconds)) for _ in range(rounds)]
    return Sized(size, turns)


def _quiet_turn(ours: Contestant, publish: Publish) -> float:
    """µs of CPU for an event that only the first few may hear."""
    ours.listeners.reset()
    before = ours.server.cpu()
    for event in range(1, QUIET_EVENTS + 1):
        publish()
        ours.listeners.wait(event * FEW)
    return (ours.server.cpu() - before) / QUIET_EVENTS * 1e6


def _ratios(sized: Sequence[Sized]) -> list[Figure]:
    main = most_streams(MAIN)
    figures = [
        of_rounds(
            f"CPU per send to {each.count:,} streams, of the C limit's",
            each.ratios(),
            "×",
            LIMIT_BAR if each.count == main else None,
        )
        for each in sized
    ]
    fitted = [each for each in sized if each.count in FITTED]
    if len(fitted) == len(FITTED):
        figures.append(_flatness("ours", [each.ours("per_event") for each in fitted], FLAT_BAR))
        figures.append(_flatness("the limit's", [each.limits("per_event") for each in fitted]))
    return figures


def _flatness(whose: str, costs: Sequence[Sequence[float]], bar: float | None = None) -> Figure:
    """How much dearer a further stream is when there are many already."""
    few, more, many = FITTED
    per_round = [
        ((dear - middle) / (many - more)) / ((middle - cheap) / (more - few))
        for cheap, middle, dear in zip(*costs, strict=False)
    ]
    what = f"a further stream at {more:,}–{many:,}, of one at {few:,}–{more:,}: {whose}"
    return of_rounds(what, per_round, "×", bar)


def _quiet_ratio(alone: Sequence[float], crowded: Sequence[float]) -> Figure:
    what = f"an event to {FEW} streams while all others are open, of alone"
    return of_rounds(what, [each / median(alone) for each in crowded], "×", QUIET_BAR)


def _figures(sized: Sequence[Sized]) -> list[Figure]:
    figures = [
        figure
        for each in sized
        for figure in (
            of_rounds(f"{each.count:,} streams: CPU per send", each.ours("per_send"), "µs"),
            of_rounds(f"{each.count:,} streams: C limit", each.limits("per_send"), "µs"),
            of_rounds(f"{each.count:,} streams: until the last has it", each.ours("last"), "ms"),
        )
    ]
    fitted = [each for each in sized if each.count in FITTED]
    if len(fitted) > 1:
        costs = [median(each.ours("per_event")) for each in fitted]
        slope, base = linear_regression([each.count for each in fitted], costs)
        figures.append(Figure("an event costs a + b·N: a", base, "µs", 0, 0))
        figures.append(Figure("an event costs a + b·N: b", slope, "µs", 0, 0))
    return figures
