"""Measure pages with 100 and with 200,000 tickets or requests, against a bare template.

Two servers have the same kind of archive, one small and one large, and take turns; one page is
requested after the other over one connection. The yardstick for the cost of a page is a template of
exactly the same bytes without any tags, served by the same application to a signed-in person. SQL
statements are counted on a separate server; those that identify the viewer are counted separately,
with the bare page.
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

FEW_TICKETS, MANY_TICKETS = 100, 200_000  # tickets in one workspace
ROUND_COUNT = 8
PAGES_PER_TURN = 12  # of each kind, per turn
SLOW_PAGES_PER_TURN = 2  # per turn, of the slow kinds
WARM_UP_PAGES = 6

MAX_SIZE_RATIO = 1.5  # × the p50 with 100 tickets
MAX_BARE_RATIO = 10.0  # × the p50 of the bare template
MAX_STATEMENTS = 6.0  # per page

BARE_PAGE_TITLE = "a page without anything in it"
STATEMENT_SAMPLES = 3  # requests of each page when counting its statements

LIST_PATH = f"/guilds/{GUILD}/tickets"


@dataclass(frozen=True, slots=True)
class PageSet:
    """The pages to request, and their archive; `bare`: kinds compared with a bare template."""

    source: TicketSource
    paths: dict[str, str]  # by kind
    slow_paths: dict[str, str]
    bare: tuple[str, ...]
    barred: tuple[str, ...]  # kinds with a bar on the effect of size


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
STAFF_LIST_PATH = "/admin"  # the list of all companies' requests
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
    """A server with an archive, and the sessions to read it with."""

    server: Server
    token: str
    team_token: str = ""  # of a staff member

    def get_page(self, path: str) -> bytes:
        """Read a page over a connection of its own. Raises RuntimeError unless it answers 200."""
        with connect(self.server.port) as connection:
            return self.read_page(connection, path)

    def read_page(self, connection: socket.socket, path: str) -> bytes:
        token = (
            self.team_token
            if path.startswith((STAFF_LIST_PATH, STAFF_DASHBOARD_PATH))
            else self.token
        )
        request = build_request("GET", path, {"cookie": f"{COOKIE_NAME}={token}"})
        status, answer = fetch(connection, request)
        if status != 200:
            raise RuntimeError(f"{path} was answered {status}:\n{self.server.read_log_tail()}")
        return answer.partition(b"\r\n\r\n")[2]


def measure() -> Report:
    """Measure pages of guild tickets with the embedded default, SQLite."""
    return _measure("pages", TICKET_PAGES, _sqlite_url)


def measure_requests() -> Report:
    """Measure pages of requests with the embedded default, SQLite."""
    return _measure("requests", REQUEST_PAGES, _sqlite_url)


def measure_postgres() -> Report:
    """Measure pages of guild tickets with PostgreSQL."""
    return _measure_on_postgres("pages_postgres", TICKET_PAGES)


def measure_requests_postgres() -> Report:
    """Measure pages of requests with PostgreSQL."""
    return _measure_on_postgres("requests_postgres", REQUEST_PAGES)


def _measure_on_postgres(part: str, page_set: PageSet) -> Report:
    server = postgres.find_server()
    if isinstance(server, str):
        return Report(part, METHOD, [], not_measured=server)
    return _measure(part, page_set, lambda _: server.empty_database(), server.cpu)


def _sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / DATABASE_FILE}"


def _measure(
    part: str,
    page_set: PageSet,
    choose_url: Callable[[Path], str],
    cpu: Callable[[], float] = float,
) -> Report:
    """Fill both archives, then alternate between them."""
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
        waits = _request_in_turn(page_set, contestants)
        share = noise.read_share()
    with ExitStack() as stack:
        counting = _start_contestant(stack, page_set, choose_url, FEW_TICKETS, COUNT_SQL="yes")
        statements = _count_statements(page_set, counting)
    ratios = _ratio_figures(page_set, waits, statements)
    return Report(part, METHOD, ratios, _time_figures(waits), share)


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
    """Write the bytes of a page as a template without any tags."""
    (folder / f"{kind}.html").write_text("{% raw %}" + page.decode() + "{% endraw %}")


def _request_in_turn(page_set: PageSet, contestants: dict[str, Contestant]) -> WaitsByPage:
    waits: WaitsByPage = {}
    for number in range(ROUND_COUNT + 1):
        for name, kind, path, pages in _turns_of_round(page_set):
            turn = _run_turn(contestants[name], path, pages if number else WARM_UP_PAGES)
            if number:  # the first turn warms up
                waits.setdefault((name, kind), []).append(turn)
    return waits


def _turns_of_round(page_set: PageSet) -> list[tuple[str, str, str, int]]:
    """List the turns of a round: server, kind of page, path, number of requests."""
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


def _run_turn(contestant: Contestant, path: str, pages: int) -> list[float]:
    """Return the milliseconds of each page."""
    # A connection per turn, because the server closes an idle one between turns.
    with connect(contestant.server.port) as connection:
        return [_time_page(contestant, connection, path) for _ in range(pages)]


def _time_page(contestant: Contestant, connection: socket.socket, path: str) -> float:
    began = time.perf_counter()
    contestant.read_page(connection, path)
    return (time.perf_counter() - began) * 1000


def _count_statements(page_set: PageSet, counting: Contestant) -> dict[str, int]:
    """Count the SQL statements of each kind of page.

    The minimum of a few requests, because background services run statements too.
    """
    _write_bare_template(counting.server.folder, "list", b"")
    pages = page_set.paths | page_set.slow_paths | {BARE_PAGE_TITLE: "/bench/bare/list"}
    return {
        kind: min(_count_statements_of(counting, path) for _ in range(STATEMENT_SAMPLES))
        for kind, path in pages.items()
    }


def _count_statements_of(counting: Contestant, path: str) -> int:
    before = int(counting.get_page("/bench/statements"))
    counting.get_page(path)
    return int(counting.get_page("/bench/statements")) - before


def _ratio_figures(
    page_set: PageSet, waits: WaitsByPage, statements: dict[str, int]
) -> list[Figure]:
    own = [
        float(each - statements[BARE_PAGE_TITLE])
        for kind, each in statements.items()
        if kind != BARE_PAGE_TITLE
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
        Figure("SQL statements to know who asks", float(statements[BARE_PAGE_TITLE]), "", 0, 0),
    ]


def _ratios_of(ours: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> list[float]:
    """Divide the p50 of each turn by the other's p50 in the same round."""
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
