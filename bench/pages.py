"""Pages at 100 and at 200,000 tickets: a list, a search, a ticket, beside a bare template.

Two servers hold the same kind of archive, one small and one large, and are asked in turn, one page
after the other over one connection. The yardstick of what a page costs by itself is a template of
the very same bytes with nothing in it, served by the same application to somebody signed in.
Statements are counted in a server of their own; those that find out who is asking are counted
apart, with the bare page.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bench import postgres
from bench.archive import COMMON, RARE, fill
from bench.bodies import GUILD
from bench.desk import COOKIE, sign_in
from bench.machine import Noise
from bench.report import Figure, Part, of_rounds, percentile
from bench.servers import DATABASE, PAGED, Server, running, scratch
from bench.sockets import connect, fetch, request

SMALL, LARGE = 100, 200_000  # tickets in one Discord server
ROUNDS = 8
PAGES = 12  # of each kind per turn
SLOW_PAGES = 2  # per turn, where one takes long
WARM_UP = 6

SIZE_BAR = 1.5  # × the p50 with 100 tickets
BARE_BAR = 10.0  # × the p50 of the bare template
STATEMENTS_BAR = 6.0  # per page

SIGNED_IN = "a page without anything in it"
LOOKS = 3  # at each page, to count its statements

LIST = f"/guilds/{GUILD}/tickets"
KINDS = {
    "list": LIST,
    "search": f"{LIST}?q={RARE}",
    "detail": f"{LIST}/50",
    "a tab": f"{LIST}?status=done",
    "by number": f"{LIST}?status=done&sort=number",
    "servers": "/guilds",
    "server": f"/guilds/{GUILD}",
}
SLOW = {"a common word": f"{LIST}?q={COMMON}", "two words": f"{LIST}?q={RARE}+{COMMON}"}
BARE = ("list", "search")  # that have a bare twin

HOW = (
    f"one page after the other, {ROUNDS} × {PAGES} of each kind, with {SMALL:,} and {LARGE:,} "
    "tickets in turn"
)

Waits = dict[tuple[str, str], list[list[float]]]  # (server, kind): ms of each page, by turn


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with an archive, and a browser that is signed in."""

    server: Server
    token: str

    def get(self, address: str) -> bytes:
        """A page; it must be one."""
        with connect(self.server.port) as connection:
            return self.read(connection, address)

    def read(self, connection: socket.socket, address: str) -> bytes:
        asked = request("GET", address, {"cookie": f"{COOKIE}={self.token}"})
        status, answer = fetch(connection, asked)
        if status != 200:
            raise RuntimeError(f"{address} was answered {status}:\n{self.server.log()}")
        return answer.partition(b"\r\n\r\n")[2]


def measure() -> Part:
    """Pages of the embedded default."""
    return _measure("pages", lambda folder: f"sqlite:///{folder / DATABASE}")


def measure_postgres() -> Part:
    """Pages of Deskwire with PostgreSQL."""
    server = postgres.find()
    if isinstance(server, str):
        return Part("pages_postgres", HOW, [], not_measured=server)
    return _measure("pages_postgres", lambda _: server.empty_database(), server.cpu)


def _measure(
    part: str, choose: Callable[[Path], str], cpu: Callable[[], float] = lambda: 0.0
) -> Part:
    """Fill both archives, then ask in turn."""
    with ExitStack() as stack:
        small, large = (_serve(stack, choose, size) for size in (SMALL, LARGE))
        contestants = {"small": small, "large": large}
        for kind in BARE:
            _keep(large.server.folder, kind, large.get(KINDS[kind]))
        noise = Noise(lambda: cpu() + sum(each.server.cpu() for each in contestants.values()))
        waits = _ask_in_turn(contestants)
        share = noise.share()
    with ExitStack() as stack:
        ran = _count_statements(_serve(stack, choose, SMALL, COUNT_SQL="yes"))
    return Part(part, HOW, _ratios(waits, ran), _figures(waits), share)


def _serve(
    stack: ExitStack, choose: Callable[[Path], str], size: int, **environment: str
) -> Contestant:
    folder = stack.enter_context(scratch())
    url = choose(folder)
    fill(url, size)
    token = sign_in(folder, url)
    server = stack.enter_context(running(PAGED, folder, DATABASE_URL=url, **environment))
    return Contestant(server, token)


def _keep(folder: Path, kind: str, page: bytes) -> None:
    """The bytes of a page as a template without anything in it."""
    (folder / f"{kind}.html").write_text("{% raw %}" + page.decode() + "{% endraw %}")


def _ask_in_turn(contestants: dict[str, Contestant]) -> Waits:
    waits: Waits = {}
    for number in range(ROUNDS + 1):
        for name, kind, address, pages in _questions():
            turn = _take_turn(contestants[name], address, pages if number else WARM_UP)
            if number:  # the first turn warms up
                waits.setdefault((name, kind), []).append(turn)
    return waits


def _questions() -> list[tuple[str, str, str, int]]:
    """What is asked in a round: of which server, which kind, its address, how often."""
    return [
        *((name, kind, page, PAGES) for kind, page in KINDS.items() for name in ("small", "large")),
        *(("large", f"bare {kind}", f"/bench/bare/{kind}", PAGES) for kind in BARE),
        *(
            (name, kind, page, SLOW_PAGES)
            for kind, page in SLOW.items()
            for name in ("small", "large")
        ),
    ]


def _take_turn(contestant: Contestant, address: str, pages: int) -> list[float]:
    """Milliseconds of each page."""
    # A connection for each turn: between turns the server closes one that is idle.
    with connect(contestant.server.port) as connection:
        return [_time(contestant, connection, address) for _ in range(pages)]


def _time(contestant: Contestant, connection: socket.socket, address: str) -> float:
    began = time.perf_counter()
    contestant.read(connection, address)
    return (time.perf_counter() - began) * 1000


def _count_statements(counting: Contestant) -> dict[str, int]:
    """Of each kind of page; the least of a few, as the server has work of its own, too."""
    _keep(counting.server.folder, "list", b"")
    pages = KINDS | SLOW | {SIGNED_IN: "/bench/bare/list"}
    return {
        kind: min(_count(counting, address) for _ in range(LOOKS))
        for kind, address in pages.items()
    }


def _count(counting: Contestant, address: str) -> int:
    before = int(counting.get("/bench/statements"))
    counting.get(address)
    return int(counting.get("/bench/statements")) - before


def _ratios(waits: Waits, ran: dict[str, int]) -> list[Figure]:
    own = [float(each - ran[SIGNED_IN]) for kind, each in ran.items() if kind != SIGNED_IN]
    return [
        *(
            of_rounds(
                f"{kind}, of the same with {SMALL}",
                _of(waits[("large", kind)], waits[("small", kind)]),
                "×",
                SIZE_BAR if kind in ("list", "search", "detail") else None,
            )
            for kind in (*KINDS, *SLOW)
        ),
        *(
            of_rounds(
                f"{kind}, of a bare template of the same bytes",
                _of(waits[("large", kind)], waits[("large", f"bare {kind}")]),
                "×",
                BARE_BAR,
            )
            for kind in BARE
        ),
        Figure("SQL statements of a page", max(own), "", min(own), max(own), STATEMENTS_BAR),
        Figure("SQL statements to know who asks", float(ran[SIGNED_IN]), "", 0, 0),
    ]


def _of(ours: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> list[float]:
    """p50 of each turn, of the other's in the same round."""
    pairs = zip(ours, other, strict=True)
    return [percentile(one, 0.5) / percentile(two, 0.5) for one, two in pairs]


def _figures(waits: Waits) -> list[Figure]:
    return [
        Figure(
            f"{kind}, {_NAMES[name]}: p{share:.0f}",
            percentile(list(chain.from_iterable(turns)), share / 100),
            "ms",
            min(percentile(turn, share / 100) for turn in turns),
            max(percentile(turn, share / 100) for turn in turns),
        )
        for (name, kind), turns in waits.items()
        for share in (50.0, 99.0)
    ]


_NAMES = {"small": f"{SMALL:,} tickets", "large": f"{LARGE:,} tickets"}
