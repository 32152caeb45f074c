"""Measure the fan-out of one event to thousands of streams, against one `send()` per stream in C.

Deskwire runs as shipped, every stream belongs to a different person with a session and ten
channels, and events are published as the bot does, by signed webhooks. So the figures include the
door, both commits, the rendering and the log, and the heartbeats of all streams; at 10,000 streams
these are about one part in a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import linear_regression, median

from bench.c_programs import NO_COMPILER_REASON, find_compiler
from bench.contestants import (
    Contestant,
    Publish,
    TurnCost,
    make_webhook_publisher,
    run_turn,
    start_c_limit,
    start_deskwire,
    write_frame_file,
)
from bench.machine import MachineNoise, cap_streams
from bench.many_people import CHANNELS_PER_PERSON, QUIET_GUILD, QUIET_GUILD_PEOPLE
from bench.report import Figure, Report, figure_of_rounds
from bench.servers import temporary_folder

STREAM_COUNTS = (100, 1_000, 5_000, 10_000, 15_000)  # streams
MAIN_STREAM_COUNT = 10_000  # streams; the bar is for this size
FITTED_STREAM_COUNTS = (1_000, 5_000, 15_000)  # streams; the cost of an event is a + b·N over these
ROUND_COUNT = 5
CPU_SECONDS_PER_TURN = 2.0  # s of CPU per turn at the main size; 200 clock ticks
SIDE_ROUND_COUNT = 3
SIDE_CPU_SECONDS = 0.8
QUIET_ROUND_COUNT = 5
QUIET_EVENTS = 80  # per round

MAX_LIMIT_RATIO = 1.35  # × the C limit's CPU per send
MAX_SLOPE_RATIO = 1.15  # × the slope of the smaller sizes
MAX_QUIET_RATIO = 1.15  # × the CPU of an event to few streams while no others are open

TurnPairs = list[tuple[TurnCost, TurnCost]]  # Deskwire's, the limit's


@dataclass(frozen=True, slots=True)
class SizeResult:
    """The rounds at one number of streams."""

    stream_count: int
    rounds: TurnPairs

    def our_values(self, name: str) -> list[float]:
        return [getattr(ours, name) for ours, _ in self.rounds]

    def limit_values(self, name: str) -> list[float]:
        return [getattr(other, name) for _, other in self.rounds]

    def ratios(self) -> list[float]:
        return [ours.per_send / other.per_send for ours, other in self.rounds]


def measure() -> Report:
    """Grow from few streams to many, alternating with the limit at each size."""
    if find_compiler() is None:
        return Report(
            "fanout", "one event to thousands of streams", [], not_measured=NO_COMPILER_REASON
        )
    sizes = sorted({cap_streams(size) for size in STREAM_COUNTS})
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        ours, tokens = start_deskwire(stack, folder, sizes[-1])
        length = write_frame_file(folder, ours.server, tokens[0])
        other = start_c_limit(stack, folder, sizes[-1])
        noise = MachineNoise(lambda: ours.cpu() + other.cpu())
        quiet = make_webhook_publisher(ours.server.port, QUIET_GUILD, "quiet")
        _open_streams_to(ours, QUIET_GUILD_PEOPLE)
        _measure_quiet_event(ours, quiet)  # creates the ticket
        alone = [_measure_quiet_event(ours, quiet) for _ in range(QUIET_ROUND_COUNT)]
        sized = [_measure_size(size, ours, other) for size in sizes]
        crowded = [_measure_quiet_event(ours, quiet) for _ in range(QUIET_ROUND_COUNT)]
        method = (
            f"one event of {length} bytes to up to {sizes[-1]:,} streams "
            f"in {CHANNELS_PER_PERSON} channels each, published by signed webhooks"
        )
        ratios = [*_ratio_figures(sized), _quiet_figure(alone, crowded)]
        return Report("fanout", method, ratios, _time_figures(sized), noise.read_share())


def _open_streams_to(contestant: Contestant, size: int) -> None:
    contestant.listeners.open(size - contestant.listeners.count)


def _measure_size(size: int, ours: Contestant, other: Contestant) -> SizeResult:
    is_main = size == cap_streams(MAIN_STREAM_COUNT)
    seconds, rounds = (
        (CPU_SECONDS_PER_TURN, ROUND_COUNT) if is_main else (SIDE_CPU_SECONDS, SIDE_ROUND_COUNT)
    )
    for each in (ours, other):
        _open_streams_to(each, size)
        run_turn(each, 0.1)
    turns = [(run_turn(ours, seconds), run_turn(other, seconds)) for _ in range(rounds)]
    return SizeResult(size, turns)


def _measure_quiet_event(ours: Contestant, publish: Publish) -> float:
    """Return the µs of CPU for an event that only the first few streams may hear."""
    ours.listeners.reset_counts()
    before = ours.server.read_cpu()
    for event in range(1, QUIET_EVENTS + 1):
        publish()
        ours.listeners.wait_for_events(event * QUIET_GUILD_PEOPLE)
    return (ours.server.read_cpu() - before) / QUIET_EVENTS * 1e6


def _ratio_figures(sized: Sequence[SizeResult]) -> list[Figure]:
    main = cap_streams(MAIN_STREAM_COUNT)
    figures = [
        figure_of_rounds(
            f"CPU per send to {each.stream_count:,} streams, of the C limit's",
            each.ratios(),
            "×",
            MAX_LIMIT_RATIO if each.stream_count == main else None,
        )
        for each in sized
    ]
    fitted = [each for each in sized if each.stream_count in FITTED_STREAM_COUNTS]
    if len(fitted) == len(FITTED_STREAM_COUNTS):
        figures.append(
            _slope_figure(
                "ours", [each.our_values("per_event") for each in fitted], MAX_SLOPE_RATIO
            )
        )
        figures.append(
            _slope_figure("the limit's", [each.limit_values("per_event") for each in fitted])
        )
    return figures


def _slope_figure(whose: str, costs: Sequence[Sequence[float]], bar: float | None = None) -> Figure:
    """Compare the cost of a further stream among many with that among few."""
    few, more, many = FITTED_STREAM_COUNTS
    per_round = [
        ((high - middle) / (many - more)) / ((middle - low) / (more - few))
        for low, middle, high in zip(*costs, strict=False)
    ]
    what = f"a further stream at {more:,}–{many:,}, of one at {few:,}–{more:,}: {whose}"
    return figure_of_rounds(what, per_round, "×", bar)


def _quiet_figure(alone: Sequence[float], crowded: Sequence[float]) -> Figure:
    what = f"an event to {QUIET_GUILD_PEOPLE} streams while all others are open, of alone"
    return figure_of_rounds(what, [each / median(alone) for each in crowded], "×", MAX_QUIET_RATIO)


def _time_figures(sized: Sequence[SizeResult]) -> list[Figure]:
    figures = [
        figure
        for each in sized
        for figure in (
            figure_of_rounds(
                f"{each.stream_count:,} streams: CPU per send", each.our_values("per_send"), "µs"
            ),
            figure_of_rounds(
                f"{each.stream_count:,} streams: C limit", each.limit_values("per_send"), "µs"
            ),
            figure_of_rounds(
                f"{each.stream_count:,} streams: until the last has it",
                each.our_values("last"),
                "ms",
            ),
        )
    ]
    fitted = [each for each in sized if each.stream_count in FITTED_STREAM_COUNTS]
    if len(fitted) > 1:
        costs = [median(each.our_values("per_event")) for each in fitted]
        slope, base = linear_regression([each.stream_count for each in fitted], costs)
        figures.append(Figure("an event costs a + b·N: a", base, "µs", 0, 0))
        figures.append(Figure("an event costs a + b·N: b", slope, "µs", 0, 0))
    return figures
