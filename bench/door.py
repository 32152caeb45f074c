"""Measure the webhook door: the cost of a stored, signed webhook against a bare minimum.

Contestants take turns under the same load: the bare door; Deskwire's door without a worker, which
is what the bare door compares with (with its normal log, and with a quiet one, as the bare door has
none); and Deskwire as shipped, which processes every message while more arrive. If PostgreSQL is
available, the last two are also measured with it; the CPU of its own processes counts for no
contestant.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from bench import postgres
from bench.machine import MachineNoise
from bench.postgres import RunningPostgres
from bench.report import Figure, Report, figure_of_rounds
from bench.servers import (
    BASELINE_DOOR,
    DESKWIRE,
    ROOT,
    WITHOUT_WORKER,
    Server,
    announce_guild,
    running_server,
)

CONNECTION_COUNT = 64
ROUND_COUNT = 7
REQUESTS_PER_TURN = 6_000  # requests; half a second of the bare door's CPU, 50 clock ticks
PROCESSED_PER_TURN = 1_000  # per turn if deliveries are processed too, at ten times the cost

MAX_CPU_RATIO = 1.5  # × the bare door's CPU per request
MIN_THROUGHPUT_RATIO = 0.65  # × the bare door's requests per second

METHOD = (
    f"signed ticket.message_sent over {CONNECTION_COUNT} connections, committed before the answer, "
    f"{ROUND_COUNT} alternations"
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server under load; with `waits_for_worker` a turn includes processing its deliveries."""

    server: Server
    requests: int = REQUESTS_PER_TURN
    waits_for_worker: bool = False


@dataclass(frozen=True, slots=True)
class TurnCost:
    """The cost of one turn of one contestant."""

    cpu: float  # µs of the server per request; includes the worker if it runs
    pace: float  # requests/s
    p50: float  # ms until the answer
    p99: float  # ms


def measure() -> Report:
    """Run all contestants in turn."""
    server = postgres.find_server()
    with ExitStack() as stack:
        start = stack.enter_context
        contestants = {
            "bare": Contestant(start(running_server(BASELINE_DOOR))),
            "quiet": Contestant(start(running_server(WITHOUT_WORKER, LOG_LEVEL="warning"))),
            "door": Contestant(start(running_server(WITHOUT_WORKER))),
            "whole": Contestant(
                start(running_server(DESKWIRE)), PROCESSED_PER_TURN, waits_for_worker=True
            ),
        }
        if not isinstance(server, str):
            unprocessed, whole = server.new_database(), server.new_database()
            contestants["shared"] = Contestant(
                start(running_server(WITHOUT_WORKER, DATABASE_URL=unprocessed))
            )
            contestants["shared whole"] = Contestant(
                start(running_server(DESKWIRE, DATABASE_URL=whole)),
                PROCESSED_PER_TURN,
                waits_for_worker=True,
            )
        for each in contestants.values():
            if each.waits_for_worker:
                announce_guild(each.server)
        for contestant in contestants.values():
            run_turn(contestant, "warm-up")
        noise = MachineNoise(lambda: _total_cpu(contestants, server))
        turns: dict[str, list[TurnCost]] = {name: [] for name in contestants}
        for number in range(ROUND_COUNT):
            for name, contestant in contestants.items():
                turns[name].append(run_turn(contestant, f"{name}-{number}"))
        missing = [server] if isinstance(server, str) else []
        return Report(
            "door",
            METHOD,
            _ratio_figures(turns),
            _time_figures(turns),
            noise.read_share(),
            notes=missing,
        )


def _total_cpu(contestants: dict[str, Contestant], server: RunningPostgres | str) -> float:
    database_cpu = 0.0 if isinstance(server, str) else server.cpu()
    return database_cpu + sum(each.server.read_cpu() for each in contestants.values())


def run_turn(contestant: Contestant, run: str) -> TurnCost:
    """Put one contestant under load once; `run` makes its deliveries unique."""
    server, count = contestant.server, contestant.requests
    command = [
        sys.executable,
        "-m",
        "bench.load_client",
        *map(str, (server.port, CONNECTION_COUNT, count)),
    ]
    with subprocess.Popen(
        [*command, run], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        if client.stdin is None or client.stdout is None or not client.stdout.readline():
            raise RuntimeError("the load client did not start")
        before = server.read_cpu()
        client.stdin.write("go\n")
        client.stdin.flush()
        result = json.loads(client.stdout.readline() or "{}")
    if result.get("statuses") != {"200": count}:
        raise RuntimeError(f"not every delivery was accepted: {result}\n{server.read_log_tail()}")
    if contestant.waits_for_worker:
        server.wait_until_processed()
    cpu = (server.read_cpu() - before) / count * 1e6
    return TurnCost(cpu, count / result["seconds"], result["p50_ms"], result["p99_ms"])


def _ratio_figures(turns: dict[str, list[TurnCost]]) -> list[Figure]:
    def ratio(of: str, name: str) -> list[float]:
        pairs = zip(turns[of], turns["bare"], strict=True)
        return [getattr(ours, name) / getattr(bare, name) for ours, bare in pairs]

    return [
        figure_of_rounds(
            "CPU per request, of the bare door's", ratio("door", "cpu"), "×", MAX_CPU_RATIO
        ),
        figure_of_rounds(
            "requests/s, of the bare door's",
            ratio("door", "pace"),
            "×",
            MIN_THROUGHPUT_RATIO,
            "above",
        ),
        figure_of_rounds("CPU per request, without a log, too", ratio("quiet", "cpu"), "×"),
        figure_of_rounds("requests/s, without a log, too", ratio("quiet", "pace"), "×"),
        figure_of_rounds("CPU per delivery, worked out as well", ratio("whole", "cpu"), "×"),
        figure_of_rounds("requests/s, while it is worked out", ratio("whole", "pace"), "×"),
        *(
            figure_of_rounds(f"PostgreSQL: {what}", ratio(of, name), "×")
            for of, name, what in _POSTGRES_NOTE
            if of in turns
        ),
    ]


_POSTGRES_NOTE = (
    ("shared", "cpu", "CPU per request, without its own"),
    ("shared", "pace", "requests/s"),
    ("shared whole", "cpu", "CPU per delivery, worked out as well"),
    ("shared whole", "pace", "requests/s, while it is worked out"),
)


_TITLES = {
    "bare": "bare door",
    "quiet": "Deskwire's door without a log",
    "door": "Deskwire's door",
    "whole": "Deskwire, worked out as well",
    "shared": "Deskwire's door, PostgreSQL",
    "shared whole": "Deskwire, PostgreSQL, worked out as well",
}


def _time_figures(turns: dict[str, list[TurnCost]]) -> list[Figure]:
    return [
        figure
        for name, all_ in turns.items()
        for figure in (
            figure_of_rounds(f"{_TITLES[name]}: CPU per request", [t.cpu for t in all_], "µs"),
            figure_of_rounds(f"{_TITLES[name]}: requests", [t.pace for t in all_], "/s"),
            figure_of_rounds(f"{_TITLES[name]}: answer, p50", [t.p50 for t in all_], "ms"),
            figure_of_rounds(f"{_TITLES[name]}: answer, p99", [t.p99 for t in all_], "ms"),
        )
    ]
