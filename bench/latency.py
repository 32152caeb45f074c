"""From the webhook to an open stream, idle: what passes before a screen can know.

The clock runs from just before the request is written until the frame with that message's id was
read by a client on a bare socket, on the same machine; both commits lie between. One event at a
time, at a low rate, against the least that could be done: with the embedded default, and with
PostgreSQL on the same machine where there is one.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from bench import postgres
from bench.guild_owner import listen, sign_in
from bench.machine import Noise
from bench.postgres import Running
from bench.report import Figure, Part, of_rounds, percentile
from bench.servers import BARE_LIVE, DESKWIRE, Server, fill, running, scratch
from bench.sockets import connect, fetch, read_until, request
from bench.webhook_bodies import messages, post

ROUNDS = 8
EVENTS = 75  # per turn: 600 of each contestant
WARM_UP = 50
PAUSE = 0.015  # s between two events; long enough for everything to be idle again

P50_BAR = 4.0  # × the bare contestant's p50
P99_BAR = 4.0  # × the own p50

HOW = f"one event at a time, {ROUNDS} × {EVENTS} each, from before the POST until the frame is read"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with a stream open."""

    server: Server
    stream: socket.socket


def measure() -> Part:
    """Run the contestants in turn."""
    server = postgres.find()
    with ExitStack() as stack:
        contestants = {
            "bare": _bare(stack.enter_context(running(BARE_LIVE))),
            "ours": _deskwire(stack),
        }
        if not isinstance(server, str):
            contestants["shared"] = _deskwire(stack, server.new_database())
        for each in contestants.values():
            stack.enter_context(each.stream)
            _take_turn(each, "warm-up", WARM_UP)
        noise = Noise(lambda: _cpu(contestants, server))
        waits: dict[str, list[list[float]]] = {name: [] for name in contestants}
        for number in range(ROUNDS):
            for name, each in contestants.items():
                waits[name].append(_take_turn(each, f"{name}-{number}", EVENTS))
        missing = [server] if isinstance(server, str) else []
        return Part("latency", HOW, _ratios(waits), _figures(waits), noise.share(), notes=missing)


def _cpu(contestants: dict[str, Contestant], server: Running | str) -> float:
    theirs = 0.0 if isinstance(server, str) else server.cpu()
    return theirs + sum(each.server.cpu() for each in contestants.values())


def _bare(server: Server) -> Contestant:
    stream = connect(server.port)
    stream.sendall(request("GET", "/events", {}))
    read_until(stream, b"data: connected")
    return Contestant(server, stream)


def _deskwire(stack: ExitStack, url: str = "") -> Contestant:
    folder = stack.enter_context(scratch())
    token = sign_in(folder, url)
    chosen = {"DATABASE_URL": url} if url else {}
    server = stack.enter_context(running(DESKWIRE, folder, **chosen))
    fill(server)
    return Contestant(server, listen(server.port, token))


def _take_turn(contestant: Contestant, run: str, count: int) -> list[float]:
    # A connection for each turn: between turns a server may close one that is idle.
    with connect(contestant.server.port) as sender:
        return list(_waits(contestant, sender, run, count))


def _waits(contestant: Contestant, sender: socket.socket, run: str, count: int) -> Iterator[float]:
    """Milliseconds from before each request until its frame."""
    rest = b""
    for id_, body in messages(run, count):
        asked = post(body)
        time.sleep(PAUSE)
        began = time.perf_counter()
        sender.sendall(asked)
        rest = read_until(contestant.stream, f'"messageId":"{id_}"'.encode(), rest)
        yield (time.perf_counter() - began) * 1000
        status, answer = fetch(sender, b"")
        if status != 200:
            raise RuntimeError(f"refused: {answer!r}\n{contestant.server.log()}")


def _ratios(waits: dict[str, list[list[float]]]) -> list[Figure]:
    return [
        *_ratios_of("ours", "", waits, P50_BAR, P99_BAR),
        *(_ratios_of("shared", "PostgreSQL, ", waits) if "shared" in waits else ()),
    ]


def _ratios_of(
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
        of_rounds(f"{title}p50, of the bare contestant's", of_bare, "×", p50_bar),
        Figure(f"{title}p99, of the own p50", tail, "×", min(tails), max(tails), p99_bar),
    ]


_NAMES = {"bare": "bare, two commits", "ours": "Deskwire", "shared": "Deskwire, PostgreSQL"}


def _figures(waits: dict[str, list[list[float]]]) -> list[Figure]:
    return [
        Figure(
            f"{_NAMES[name]}: p{share:.0f}",
            percentile(list(chain.from_iterable(turns)), share / 100),
            "ms",
            min(percentile(turn, share / 100) for turn in turns),
            max(percentile(turn, share / 100) for turn in turns),
        )
        for name, turns in waits.items()
        for share in (50.0, 99.0)
    ]
