"""Measure the latency from a webhook to an open stream, on an idle server.

The clock runs from just before the request is written until a client on a bare socket of the same
machine has read the frame with that message's id; both commits are in between. One event at a
time, at a low rate, against a bare minimum: with the embedded default, and with PostgreSQL on the
same machine if it is available.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from bench import postgres
from bench.guild_owner import create_owner_session, open_live_stream
from bench.machine import MachineNoise
from bench.postgres import RunningPostgres
from bench.report import Figure, Report, figure_of_rounds, percentile
from bench.servers import (
    BASELINE_LIVE,
    DESKWIRE,
    Server,
    announce_guild,
    running_server,
    temporary_folder,
)
from bench.sockets import build_request, connect, fetch, read_until
from bench.webhook_bodies import message_bodies, signed_request

ROUND_COUNT = 8
EVENTS_PER_TURN = 75  # per turn; 600 for each contestant
WARM_UP_EVENTS = 50
EVENT_INTERVAL = 0.015  # s between two events; enough for everything to be idle again

MAX_P50_RATIO = 4.0  # × the bare contestant's p50
MAX_P99_RATIO = 4.0  # × the own p50

METHOD = (
    f"one event at a time, {ROUND_COUNT} × {EVENTS_PER_TURN} each, "
    "from before the POST until the frame is read"
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with an open stream."""

    server: Server
    stream: socket.socket


def measure() -> Report:
    """Alternate between the contestants."""
    server = postgres.find_server()
    with ExitStack() as stack:
        contestants = {
            "bare": _open_baseline(stack.enter_context(running_server(BASELINE_LIVE))),
            "ours": _open_deskwire(stack),
        }
        if not isinstance(server, str):
            contestants["shared"] = _open_deskwire(stack, server.new_database())
        for each in contestants.values():
            stack.enter_context(each.stream)
            _run_turn(each, "warm-up", WARM_UP_EVENTS)
        noise = MachineNoise(lambda: _total_cpu(contestants, server))
        waits: dict[str, list[list[float]]] = {name: [] for name in contestants}
        for number in range(ROUND_COUNT):
            for name, each in contestants.items():
                waits[name].append(_run_turn(each, f"{name}-{number}", EVENTS_PER_TURN))
        missing = [server] if isinstance(server, str) else []
        return Report(
            "latency",
            METHOD,
            _ratio_figures(waits),
            _time_figures(waits),
            noise.read_share(),
            notes=missing,
        )


def _total_cpu(contestants: dict[str, Contestant], server: RunningPostgres | str) -> float:
    theirs = 0.0 if isinstance(server, str) else server.cpu()
    return theirs + sum(each.server.read_cpu() for each in contestants.values())


def _open_baseline(server: Server) -> Contestant:
    stream = connect(server.port)
    stream.sendall(build_request("GET", "/events", {}))
    read_until(stream, b"data: connected")
    return Contestant(server, stream)


def _open_deskwire(stack: ExitStack, url: str = "") -> Contestant:
    folder = stack.enter_context(temporary_folder())
    token = create_owner_session(folder, url)
    chosen = {"DATABASE_URL": url} if url else {}
    server = stack.enter_context(running_server(DESKWIRE, folder, **chosen))
    announce_guild(server)
    return Contestant(server, open_live_stream(server.port, token))


def _run_turn(contestant: Contestant, run: str, count: int) -> list[float]:
    # A connection for each turn: between turns a server may close one that is idle.
    with connect(contestant.server.port) as sender:
        return list(_measure_waits(contestant, sender, run, count))


def _measure_waits(
    contestant: Contestant, sender: socket.socket, run: str, count: int
) -> Iterator[float]:
    """Milliseconds from before each request until its frame."""
    rest = b""
    for id_, body in message_bodies(run, count):
        request = signed_request(body)
        time.sleep(EVENT_INTERVAL)
        began = time.perf_counter()
        sender.sendall(request)
        rest = read_until(contestant.stream, f'"messageId":"{id_}"'.encode(), rest)
        yield (time.perf_counter() - began) * 1000
        status, answer = fetch(sender, b"")
        if status != 200:
            raise RuntimeError(f"refused: {answer!r}\n{contestant.server.read_log_tail()}")


def _ratio_figures(waits: dict[str, list[list[float]]]) -> list[Figure]:
    return [
        *_ratio_figures_of("ours", "", waits, MAX_P50_RATIO, MAX_P99_RATIO),
        *(_ratio_figures_of("shared", "PostgreSQL, ", waits) if "shared" in waits else ()),
    ]


def _ratio_figures_of(
    who: str,
    title: str,
    waits: dict[str, list[list[float]]],
    p50_bar: float | None = None,
    p99_bar: float | None = None,
) -> list[Figure]:
    p50 = {name: [percentile(turn, 0.5) for turn in turns] for name, turns in waits.items()}
    every = list(chain.from_iterable(waits[who]))
    of_bare = [ours / bare for ours, bare in zip(p50[who], p50["bare"], strict=True)]
    tails = [percentile(turn, 0.99) / percentile(turn, 0.5) for turn in waits[who]]
    tail = percentile(every, 0.99) / percentile(every, 0.5)
    return [
        figure_of_rounds(f"{title}p50, of the bare contestant's", of_bare, "×", p50_bar),
        Figure(f"{title}p99, of the own p50", tail, "×", min(tails), max(tails), p99_bar),
    ]


_TITLES = {"bare": "bare, two commits", "ours": "Deskwire", "shared": "Deskwire, PostgreSQL"}


def _time_figures(waits: dict[str, list[list[float]]]) -> list[Figure]:
    return [
        Figure(
            f"{_TITLES[name]}: p{share:.0f}",
            percentile(list(chain.from_iterable(turns)), share / 100),
            "ms",
            min(percentile(turn, share / 100) for turn in turns),
            max(percentile(turn, share / 100) for turn in turns),
        )
        for name, turns in waits.items()
        for share in (50.0, 99.0)
    ]
