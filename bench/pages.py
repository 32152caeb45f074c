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
from bench.bulk_tickets import (
    COMMON_PREFIX,
    GUILD_SOURCE,
    ORGANIZATION_SLUG,
    ORGANIZATION_SOURCE,
    RARE_WORD,
    TicketSource,
    fill_database,
)
from bench.guild_owner import COOKIE_NAME, create_organization_sessions, create_owner_session
from bench.machine import MachineNoise
from bench.report import Figure, Report, figure_of_rounds, percentile
from bench.servers import DATABASE_FILE, WITH_BENCH_PAGES, Server, running_server, temporary_folder
from bench.sockets import build_request, connect, fetch
from bench.webhook_bodies import GUILD

FEW_TICKETS, MANY_TICKETS = 100, 200_000  # tickets in one place
ROUND_COUNT = 8
PAGES_PER_TURN = 12  # of each kind per turn
SLOW_PAGES_PER_TURN = 2  # per turn, where one takes long
WARM_UP_PAGES = 6

MAX_SIZE_RATIO = 1.5  # × the p50 with 100 tickets
MAX_BARE_RATIO = 10.0  # × the p50 of the bare template
MAX_STATEMENTS = 6.0  # per page

BARE_PAGE_TITLE = "a page without anything in it"
STATEMENT_SAMPLES = 3  # at each page, to count its statements

LIST_PATH = f"/guilds/{GUILD}/tickets"


@dataclass(frozen=True, slots=True)
class PageSet:
    """What is asked, of which archive; `bare`: which kinds have a bare twin."""

    source: TicketSource
    paths: dict[str, str]  # the address of each
    slow_paths: dict[str, str]
    bare: tuple[str, ...]
    barred: tuple[str, ...]  # kinds whose size has a bar


TICKET_PAGES = PageSet(
    GUILD_SOURCE,
    {
        "list": LIST_PATH,
        "search": f"{LIST_PATH}?q={RARE_WORD}",
        "detail": f"{LIST_PATH}/50",
        "a tab": f"{LIST_PATH}?status=done",
        "by number": f"{LIST_PATH}?status=done&sort=number",
        "servers": "/guilds",
        "server": f"/guilds/{GUILD}",
    },
    {
        "a common word": f"{LIST_PATH}?q={COMMON_PREFIX}",
        "two words": f"{LIST_PATH}?q={RARE_WORD}+{COMMON_PREFIX}",
    },
    ("list", "search"),
    ("list", "search", "detail"),
)
STAFF_LIST_PATH = "/admin"  # the team's list
STAFF_DASHBOARD_PATH = "/dashboard?organization="  # staff; every other page is a member's
REQUEST_PAGES = PageSet(
    ORGANIZATION_SOURCE,
    {
        "list": "/requests",
        "search": f"/requests?q={RARE_WORD}",
        "detail": f"/requests/0193-{50:012}",
        "a tab": "/requests?status=done",
        "oldest": "/requests?sort=oldest",
        "all companies": STAFF_LIST_PATH,
        "searched in all": f"{STAFF_LIST_PATH}?q={RARE_WORD}",
        "one company": f"{STAFF_LIST_PATH}?company={ORGANIZATION_SLUG}",
        "dashboard": "/dashboard",
        "dashboard of all": STAFF_DASHBOARD_PATH,
    },
    {
        "a common word": f"/requests?q={COMMON_PREFIX}",
        "unread": "/requests?unread=yes",
        "waiting": "/requests?waiting=yes",
    },
    ("list", "search"),
    ("list", "search", "detail", "all companies", "searched in all", "one company"),
)

METHOD = (
    f"one page after the other, {ROUND_COUNT} × {PAGES_PER_TURN} of each kind, "
    f"with {FEW_TICKETS:,} and {MANY_TICKETS:,} tickets in turn"
)

WaitsByPage = dict[tuple[str, str], list[list[float]]]  # (server, kind): ms of each page, by turn


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server with an archive, and a browser that is signed in."""

    server: Server
    token: str
    team_token: str = ""  # of somebody of the team

    def get_page(self, address: str) -> bytes:
        """A page; it must be one."""
        with connect(self.server.port) as connection:
            return self.read_page(connection, address)

    def read_page(self, connection: socket.socket, address: str) -> bytes:
        token = (
            self.team_token
            if address.startswith((STAFF_LIST_PATH, STAFF_DASHBOARD_PATH))
            else self.token
        )
        asked = build_request("GET", address, {"cookie": f"{COOKIE_NAME}={token}"})
        status, answer = fetch(connection, asked)
        if status != 200:
            raise RuntimeError(f"{address} was answered {status}:\n{self.server.read_log_tail()}")
        return answer.partition(b"\r\n\r\n")[2]


def measure() -> Report:
    """Pages of Discord tickets, of the embedded default."""
    return _measure("pages", TICKET_PAGES, _sqlite_url)


def measure_requests() -> Report:
    """Pages of requests, of the embedded default."""
    return _measure("requests", REQUEST_PAGES, _sqlite_url)


def measure_postgres() -> Report:
    """Pages of Discord tickets, of Deskwire with PostgreSQL."""
    return _measure_on_postgres("pages_postgres", TICKET_PAGES)


def measure_requests_postgres() -> Report:
    """Pages of requests, of Deskwire with PostgreSQL."""
    return _measure_on_postgres("requests_postgres", REQUEST_PAGES)


def _measure_on_postgres(part: str, subject: PageSet) -> Report:
    server = postgres.find_server()
    if isinstance(server, str):
        return Report(part, METHOD, [], not_measured=server)
    return _measure(part, subject, lambda _: server.empty_database(), server.cpu)


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / DATABASE_FILE}"


def _measure(
    part: str,
    page_set: PageSet,
    choose_url: Callable[[Path], str],
    cpu: Callable[[], float] = float,
) -> Report:
    """Fill both archives, then ask in turn."""
    with ExitStack() as stack:
        small, large = (
            _start_contestant(stack, page_set, choose_url, size)
            for size in (FEW_TICKETS, MANY_TICKETS)
        )
        contestants = {"small": small, "large": large}
        for kind in page_set.bare:
            _write_bare_template(large.server.folder, kind, large.get_page(page_set.paths[kind]))
        noise = MachineNoise(
            lambda: cpu() + sum(each.server.read_cpu() for each in contestants.values())
        )
        waits = _ask_in_turn(page_set, contestants)
        share = noise.read_share()
    with ExitStack() as stack:
        counting = _start_contestant(stack, page_set, choose_url, FEW_TICKETS, COUNT_SQL="yes")
        ran = _count_statements(page_set, counting)
    return Report(part, METHOD, _ratio_figures(page_set, waits, ran), _time_figures(waits), share)


def _start_contestant(
    stack: ExitStack,
    page_set: PageSet,
    choose_url: Callable[[Path], str],
    size: int,
    **environment: str,
) -> Contestant:
    folder = stack.enter_context(temporary_folder())
    url = choose_url(folder)
    fill_database(url, size, page_set.source)
    is_company = page_set.source is ORGANIZATION_SOURCE
    tokens = (
        create_organization_sessions(url) if is_company else (create_owner_session(folder, url),)
    )
    server = stack.enter_context(
        running_server(WITH_BENCH_PAGES, folder, DATABASE_URL=url, **environment)
    )
    return Contestant(server, *tokens)


def _write_bare_template(folder: Path, kind: str, page: bytes) -> None:
    """The bytes of a page as a template without anything in it."""
    (folder / f"{kind}.html").write_text("{% raw %}" + page.decode() + "{% endraw %}")


def _ask_in_turn(page_set: PageSet, contestants: dict[str, Contestant]) -> WaitsByPage:
    waits: WaitsByPage = {}
    for number in range(ROUND_COUNT + 1):
        for name, kind, address, pages in _turns_of_round(page_set):
            turn = _run_turn(contestants[name], address, pages if number else WARM_UP_PAGES)
            if number:  # the first turn warms up
                waits.setdefault((name, kind), []).append(turn)
    return waits


def _turns_of_round(page_set: PageSet) -> list[tuple[str, str, str, int]]:
    """What is asked in a round: of which server, which kind, its address, how often."""
    return [
        *(
            (name, kind, page, PAGES_PER_TURN)
            for kind, page in page_set.paths.items()
            for name in ("small", "large")
        ),
        *(
            ("large", f"bare {kind}", f"/bench/bare/{kind}", PAGES_PER_TURN)
            for kind in page_set.bare
        ),
        *(
            (name, kind, page, SLOW_PAGES_PER_TURN)
            for kind, page in page_set.slow_paths.items()
            for name in ("small", "large")
        ),
    ]


def _run_turn(contestant: Contestant, address: str, pages: int) -> list[float]:
    """Milliseconds of each page."""
    # A connection for each turn: between turns the server closes one that is idle.
    with connect(contestant.server.port) as connection:
        return [_time_page(contestant, connection, address) for _ in range(pages)]


def _time_page(contestant: Contestant, connection: socket.socket, address: str) -> float:
    began = time.perf_counter()
    contestant.read_page(connection, address)
    return (time.perf_counter() - began) * 1000


def _count_statements(page_set: PageSet, counting: Contestant) -> dict[str, int]:
    """Of each kind of page; the least of a few, as the server has work of its own, too."""
    _write_bare_template(counting.server.folder, "list", b"")
    pages = page_set.paths | page_set.slow_paths | {BARE_PAGE_TITLE: "/bench/bare/list"}
    return {
        kind: min(_count_statements_of(counting, address) for _ in range(STATEMENT_SAMPLES))
        for kind, address in pages.items()
    }


def _count_statements_of(counting: Contestant, address: str) -> int:
    before = int(counting.get_page("/bench/statements"))
    counting.get_page(address)
    return int(counting.get_page("/bench/statements")) - before


def _ratio_figures(page_set: PageSet, waits: WaitsByPage, ran: dict[str, int]) -> list[Figure]:
    own = [
        float(each - ran[BARE_PAGE_TITLE]) for kind, each in ran.items() if kind != BARE_PAGE_TITLE
    ]
    return [
        *(
            figure_of_rounds(
                f"{kind}, of the same with {FEW_TICKETS}",
                _ratios_of(waits[("large", kind)], waits[("small", kind)]),
                "×",
                MAX_SIZE_RATIO if kind in page_set.barred else None,
            )
            for kind in (*page_set.paths, *page_set.slow_paths)
        ),
        *(
            figure_of_rounds(
                f"{kind}, of a bare template of the same bytes",
                _ratios_of(waits[("large", kind)], waits[("large", f"bare {kind}")]),
                "×",
                MAX_BARE_RATIO,
            )
            for kind in page_set.bare
        ),
        Figure("SQL statements of a page", max(own), "", min(own), max(own), MAX_STATEMENTS),
        Figure("SQL statements to know who asks", float(ran[BARE_PAGE_TITLE]), "", 0, 0),
    ]


def _ratios_of(ours: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> list[float]:
    """p50 of each turn, of the other's in the same round."""
    pairs = zip(ours, other, strict=True)
    return [percentile(one, 0.5) / percentile(two, 0.5) for one, two in pairs]


def _time_figures(waits: WaitsByPage) -> list[Figure]:
    return [
        Figure(
            f"{kind}, {_TITLES[name]}: p{share:.0f}",
            percentile(list(chain.from_iterable(turns)), share / 100),
            "ms",
            min(percentile(turn, share / 100) for turn in turns),
            max(percentile(turn, share / 100) for turn in turns),
        )
        for (name, kind), turns in waits.items()
        for share in (50.0, 99.0)
    ]


_TITLES = {"small": f"{FEW_TICKETS:,} tickets", "large": f"{MANY_TICKETS:,} tickets"}
