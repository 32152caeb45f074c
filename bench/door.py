"""The door: what a kept, signed webhook costs beside the least that could be done for it.

Contestants take turns under the same load: the bare door; Deskwire with nobody working on what
its door keeps, which is what the bare door is comparable with (as shipped, and with a quiet log,
as the bare door has none); and Deskwire as shipped, which works out every message while more
arrive. Where there is PostgreSQL, the last two are measured with it, too; what its own processes
use is in nobody's CPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass

from bench import postgres
from bench.machine import Noise
from bench.postgres import Running
from bench.report import Figure, Part, of_rounds
from bench.servers import BARE_DOOR, DESKWIRE, HELD_WORKER, ROOT, Server, fill, running

CONNECTIONS = 64
ROUNDS = 7
REQUESTS = 6_000  # per turn; about half a second of the bare door's CPU, 50 ticks of its clock
WORKED = 1_000  # per turn where every delivery is worked out too, at ten times the cost

CPU_BAR = 1.5  # × the bare door's CPU per request
PACE_BAR = 0.65  # × the bare door's requests per second

HOW = (
    f"signed ticket.message_sent over {CONNECTIONS} connections, committed before the answer, "
    f"{ROUNDS} alternations"
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server under load, and whether a turn lasts until all it kept is worked off."""

    server: Server
    requests: int = REQUESTS
    works: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of one contestant cost."""

    cpu: float  # µs of the server per request; with its work where it works
    pace: float  # requests/s
    p50: float  # ms until the answer
    p99: float  # ms


def measure() -> Part:
    """Run all contestants in turn."""
    server = postgres.find()
    with ExitStack() as stack:
        start = stack.enter_context
        contestants = {
            "bare": Contestant(start(running(BARE_DOOR))),
            "quiet": Contestant(start(running(HELD_WORKER, LOG_LEVEL="warning"))),
            "door": Contestant(start(running(HELD_WORKER))),
            "whole": Contestant(start(running(DESKWIRE)), WORKED, works=True),
        }
        if not isinstance(server, str):
            held, whole = server.new_database(), server.new_database()
            contestants["shared"] = Contestant(start(running(HELD_WORKER, DATABASE_URL=held)))
            contestants["shared whole"] = Contestant(
                start(running(DESKWIRE, DATABASE_URL=whole)), WORKED, works=True
            )
        for each in contestants.values():
            if each.works:
                fill(each.server)
        for contestant in contestants.values():
            take_turn(contestant, "warm-up")
        noise = Noise(lambda: _cpu(contestants, server))
        turns: dict[str, list[Turn]] = {name: [] for name in contestants}
        for number in range(ROUNDS):
            for name, contestant in contestants.items():
                turns[name].append(take_turn(contestant, f"{name}-{number}"))
        missing = [server] if isinstance(server, str) else []
        return Part("door", HOW, _ratios(turns), _figures(turns), noise.share(), notes=missing)


def _cpu(contestants: dict[str, Contestant], server: Running | str) -> float:
    theirs = 0.0 if isinstance(server, str) else server.cpu()
    return theirs + sum(each.server.cpu() for each in contestants.values())


def take_turn(contestant: Contestant, run: str) -> Turn:
    """Put one contestant under load once; `run` keeps its deliveries apart from all others."""
    server, count = contestant.server, contestant.requests
    command = [
        sys.executable,
        "-m",
        "bench.load_client",
        *map(str, (server.port, CONNECTIONS, count)),
    ]
    with subprocess.Popen(
        [*command, run], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        if client.stdin is None or client.stdout is None or not client.stdout.readline():
            raise RuntimeError("the load client did not start")
        before = server.cpu()
        client.stdin.write("go\n")
        client.stdin.flush()
        told = json.loads(client.stdout.readline() or "{}")
    if told.get("statuses") != {"200": count}:
        raise RuntimeError(f"not every delivery was kept: {told}\n{server.log()}")
    if contestant.works:
        server.wait_until_worked_off()
    cpu = (server.cpu() - before) / count * 1e6
    return Turn(cpu, count / told["seconds"], told["p50_ms"], told["p99_ms"])


def _ratios(turns: dict[str, list[Turn]]) -> list[Figure]:
    def ratio(of: str, name: str) -> list[float]:
        pairs = zip(turns[of], turns["bare"], strict=True)
        return [getattr(ours, name) / getattr(bare, name) for ours, bare in pairs]

    return [
        of_rounds("CPU per request, of the bare door's", ratio("door", "cpu"), "×", CPU_BAR),
        of_rounds("requests/s, of the bare door's", ratio("door", "pace"), "×", PACE_BAR, "above"),
        of_rounds("CPU per request, without a log, too", ratio("quiet", "cpu"), "×"),
        of_rounds("requests/s, without a log, too", ratio("quiet", "pace"), "×"),
        of_rounds("CPU per delivery, worked out as well", ratio("whole", "cpu"), "×"),
        of_rounds("requests/s, while it is worked out", ratio("whole", "pace"), "×"),
        *(
            of_rounds(f"PostgreSQL: {what}", ratio(of, name), "×")
            for of, name, what in _SHARED
            if of in turns
        ),
    ]


_SHARED = (
    ("shared", "cpu", "CPU per request, without its own"),
    ("shared", "pace", "requests/s"),
    ("shared whole", "cpu", "CPU per delivery, worked out as well"),
    ("shared whole", "pace", "requests/s, while it is worked out"),
)


_NAMES = {
    "bare": "bare door",
    "quiet": "Deskwire's door without a log",
    "door": "Deskwire's door",
    "whole": "Deskwire, worked out as well",
    "shared": "Deskwire's door, PostgreSQL",
    "shared whole": "Deskwire, PostgreSQL, worked out as well",
}


def _figures(turns: dict[str, list[Turn]]) -> list[Figure]:
    return [
        figure
        for name, all_ in turns.items()
        for figure in (
            of_rounds(f"{_NAMES[name]}: CPU per request", [t.cpu for t in all_], "µs"),
            of_rounds(f"{_NAMES[name]}: requests", [t.pace for t in all_], "/s"),
            of_rounds(f"{_NAMES[name]}: answer, p50", [t.p50 for t in all_], "ms"),
            of_rounds(f"{_NAMES[name]}: answer, p99", [t.p99 for t in all_], "ms"),
        )
    ]
