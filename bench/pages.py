"""Pages at 100 and at 200,000 tickets, or requests: a list, a search, one, beside a bare template.

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
from bench.bulk_tickets import COMMON, COMPANY, RARE, SERVER, SLUG, Place, fill
from bench.guild_owner import COOKIE, sign_in, sign_in_to_company
from bench.machine import Noise
from bench.report import Figure, Part, of_rounds, percentile
from bench.servers import DATABASE, PAGED, Server, running, scratch
from bench.sockets import connect, fetch, request
from bench.webhook_bodies import GUILD

SMALL, LARGE = 100, 200_000  # tickets in one place
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


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked, of which archive; `bare`: which kinds have a bare twin."""

    place: Place
    kinds: dict[str, str]  # the address of each
    slow: dict[str, str]
    bare: tuple[str, ...]
    barred: tuple[str, ...]  # kinds whose size has a bar


TICKETS = Subject(
    SERVER,
    {
        "list": LIST,
        "search": f"{LIST}?q={RARE}",
        "detail": f"{LIST}/50",
        "a tab": f"{LIST}?status=done",
        "by number": f"{LIST}?status=done&sort=number",
        "servers": "/guilds",
        "server": f"/guilds/{GUILD}",
    },
    {"a common word": f"{LIST}?q={COMMON}", "two words": f"{LIST}?q={RARE}+{COMMON}"},
    ("list", "search"),
    ("list", "search", "detail"),
)
OF_ALL = "/admin"  # the team's list
DESK_OF_ALL = "/dashboard?organization="  # the team's; everything else is asked as a member
REQUESTS = Subject(
    COMPANY,
    {
        "list": "/requests",
        "search": f"/requests?q={RARE}",
        "detail": f"/requests/0193-{50:012}",
        "a tab": "/requests?status=done",
        "oldest": "/requests?sort=oldest",
        "all companies": OF_ALL,
        "searched in all": f"{OF_ALL}?q={RARE}",
        "one company": f"{OF_ALL}?company={SLUG}",
        "dashboard": "/dashboard",
        "dashboard of all": DESK_OF_ALL,
    },
    {
        "a common word": f"/requests?q={COMMON}",
        "unread": "/requests?unread=yes",
        "waiting": "/requests?waiting=yes",
    },
    ("list", "search"),
    ("list", "search", "detail", "all companies", "searched in all", "one company"),
)

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
    team: str = ""  # of somebody of the team

    def get(self, address: str) -> bytes:
        """A page; it must be one."""
        with connect(self.server.port) as connection:
            return self.read(connection, address)

    def read(self, connection: socket.socket, address: str) -> bytes:
        token = self.team if address.startswith((OF_ALL, DESK_OF_ALL)) else self.token
        asked = request("GET", address, {"cookie": f"{COOKIE}={token}"})
        status, answer = fetch(connection, asked)
        if status != 200:
            raise RuntimeError(f"{address} was answered {status}:\n{self.server.log()}")
        return answer.partition(b"\r\n\r\n")[2]


def measure() -> Part:
    """Pages of Discord tickets, of the embedded default."""
    return _measure("pages", TICKETS, _on_sqlite)


def measure_requests() -> Part:
    """Pages of requests, of the embedded default."""
    return _measure("requests", REQUESTS, _on_sqlite)


def measure_postgres() -> Part:
    """Pages of Discord tickets, of Deskwire with PostgreSQL."""
    return _measure_on_postgres("pages_postgres", TICKETS)


def measure_requests_postgres() -> Part:
    """Pages of requests, of Deskwire with PostgreSQL."""
    return _measure_on_postgres("requests_postgres", REQUESTS)


def _measure_on_postgres(part: str, subject: Subject) -> Part:
    server = postgres.find()
    if isinstance(server, str):
        return Part(part, HOW, [], not_measured=server)
    return _measure(part, subject, lambda _: server.empty_database(), server.cpu)


def _on_sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / DATABASE}"


def _measure(
    part: str, subject: Subject, choose: Callable[[Path], str], cpu: Callable[[], float] = float
) -> Part:
    """Fill both archives, then ask in turn."""
    with ExitStack() as stack:
        small, large = (_serve(stack, subject, choose, size) for size in (SMALL, LARGE))
        contestants = {"small": small, "large": large}
        for kind in subject.bare:
            _keep(large.server.folder, kind, large.get(subject.kinds[kind]))
        noise = Noise(lambda: cpu() + sum(each.server.cpu() for each in contestants.values()))
        waits = _ask_in_turn(subject, contestants)
        share = noise.share()
    with ExitStack() as stack:
        counting = _serve(stack, subject, choose, SMALL, COUNT_SQL="yes")
        ran = _count_statements(subject, counting)
    return Part(part, HOW, _ratios(subject, waits, ran), _figures(waits), share)


def _serve(
    stack: ExitStack,
    subject: Subject,
    choose: Callable[[Path], str],
    size: int,
    **environment: str,
) -> Contestant:
    folder = stack.enter_context(scratch())
    url = choose(folder)
    fill(url, size, subject.place)
    is_company = subject.place is COMPANY
    tokens = sign_in_to_company(url) if is_company else (sign_in(folder, url),)
    server = stack.enter_context(running(PAGED, folder, DATABASE_URL=url, **environment))
    return Contestant(server, *tokens)


def _keep(folder: Path, kind: str, page: bytes) -> None:
    """The bytes of a page as a template without anything in it."""
    (folder / f"{kind}.html").write_text("{% raw %}" + page.decode() + "{% endraw %}")


def _ask_in_turn(subject: Subject, contestants: dict[str, Contestant]) -> Waits:
    waits: Waits = {}
    for number in range(ROUNDS + 1):
        for name, kind, address, pages in _questions(subject):
            turn = _take_turn(contestants[name], address, pages if number else WARM_UP)
            if number:  # the first turn warms up
                waits.setdefault((name, kind), []).append(turn)
    return waits


def _questions(subject: Subject) -> list[tuple[str, str, str, int]]:
    """What is asked in a round: of which server, which kind, its address, how often."""
    return [
        *(
            (name, kind, page, PAGES)
            for kind, page in subject.kinds.items()
            for name in ("small", "large")
        ),
        *(("large", f"bare {kind}", f"/bench/bare/{kind}", PAGES) for kind in subject.bare),
        *(
            (name, kind, page, SLOW_PAGES)
            for kind, page in subject.slow.items()
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


def _count_statements(subject: Subject, counting: Contestant) -> dict[str, int]:
    """Of each kind of page; the least of a few, as the server has work of its own, too."""
    _keep(counting.server.folder, "list", b"")
    pages = subject.kinds | subject.slow | {SIGNED_IN: "/bench/bare/list"}
    return {
        kind: min(_count(counting, address) for _ in range(LOOKS))
        for kind, address in pages.items()
    }


def _count(counting: Contestant, address: str) -> int:
    before = int(counting.get("/bench/statements"))
    counting.get(address)
    return int(counting.get("/bench/statements")) - before


def _ratios(subject: Subject, waits: Waits, ran: dict[str, int]) -> list[Figure]:
    own = [float(each - ran[SIGNED_IN]) for kind, each in ran.items() if kind != SIGNED_IN]
    return [
        *(
            of_rounds(
                f"{kind}, of the same with {SMALL}",
                _of(waits[("large", kind)], waits[("small", kind)]),
                "×",
                SIZE_BAR if kind in subject.barred else None,
            )
            for kind in (*subject.kinds, *subject.slow)
        ),
        *(
            of_rounds(
                f"{kind}, of a bare template of the same bytes",
                _of(waits[("large", kind)], waits[("large", f"bare {kind}")]),
                "×",
                BARE_BAR,
            )
            for kind in subject.bare
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
