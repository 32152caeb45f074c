"""A reconnect storm: ten thousand streams come back at once, each fifty events behind.

A plain connect of the same server is the yardstick, in alternation. Whether anything is lost or
heard twice is counted by each event's position at each reader. SQL statements are counted in runs
of their own with fewer streams, as counting costs time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.c_programs import NO_COMPILER, find_compiler
from bench.contestants import Contestant, deskwire
from bench.guild_owner import COOKIE, STREAM
from bench.machine import Noise, most_streams
from bench.many_people import write_heads
from bench.report import Figure, Part, of_rounds
from bench.servers import DESKWIRE, HOOKED, Server, scratch, wait_for
from bench.sockets import connect, read_until, request
from bench.stream_readers import Listeners, listening

STREAMS = 10_000
COUNTED = 2_000  # streams where statements are counted
BEHIND = 50  # events, all of which each stream may hear
AT_ONCE = 1_000  # streams that wait to be live at a time; a browser would wait longer, not ask more
WARM_UP = 500  # streams that come and go before; whatever is made once is made then
ROUNDS = 3

CPU_BAR = 2.0  # × a plain connect
REPLAY_BAR = 0.0  # statements that read the log
QUESTIONS_BAR = 0.1  # statements that read sessions or access, per stream


class Turn(NamedTuple):
    """What a return cost, and what a plain connect did."""

    plain: float  # µs of CPU per stream
    back: float  # µs of CPU per stream
    seconds: float  # until all were live again


class Store(NamedTuple):
    """A server with a crowd whose streams go and come back."""

    ours: Contestant
    tokens: list[str]
    folder: Path


def measure() -> Part:
    """Alternate plain connects and returns, then count statements."""
    streams = most_streams(STREAMS)
    how = f"{streams:,} streams return, {BEHIND} events behind, {AT_ONCE:,} at a time"
    if find_compiler() is None:
        return Part("storm", how, [], not_measured=NO_COMPILER)
    with ExitStack() as stack:
        store = _open_store(stack, streams)
        noise = Noise(store.ours.server.cpu)
        turns = [_take_turn(store) for _ in range(ROUNDS)]
        share = noise.share()
    with ExitStack() as stack:
        store = _open_store(stack, most_streams(COUNTED), HOOKED, "yes")
        ran = _count_statements(store)
    return Part("storm", how, _ratios(turns, ran), _figures(turns), share)


def _open_store(
    stack: ExitStack,
    streams: int,
    command: Sequence[str] = DESKWIRE,
    count_sql: str = "",
) -> Store:
    folder = stack.enter_context(scratch())
    ours, tokens = deskwire(stack, folder, streams, command, COUNT_SQL=count_sql)
    _connect(ours, WARM_UP)
    return Store(ours, tokens, folder)


def _take_turn(store: Store) -> Turn:
    plain = _connect(store.ours, len(store.tokens))
    back, seconds = _return_all(store)
    return Turn(plain, back, seconds)


def _connect(ours: Contestant, count: int) -> float:
    """Open streams that bring no cursor, and close them: µs of CPU per stream."""
    server = ours.server
    idle, before = server.sockets(), server.cpu()
    ours.listeners.open(count, AT_ONCE)
    cpu = server.cpu() - before
    ours.listeners.close()
    _wait_until_closed(server, idle)
    return cpu / count * 1e6


def _return_all(store: Store) -> tuple[float, float]:
    """Publish while nobody listens, then let all come back: µs of CPU per stream, and seconds."""
    server, count = store.ours.server, len(store.tokens)
    idle = server.sockets()
    with _returning(store) as listeners:
        before = server.cpu()
        seconds = listeners.open(count, AT_ONCE)
        seconds += listeners.wait(count * BEHIND)
        cpu = server.cpu() - before
        store.ours.publish()
        listeners.wait(count * (BEHIND + 1))
        _check(listeners, count)
        listeners.close()
        _wait_until_closed(server, idle)
    return cpu / count * 1e6, seconds


@contextmanager
def _returning(store: Store) -> Iterator[Listeners]:
    """Readers about to come back, when they have missed what is published here."""
    server = store.ours.server
    heads = write_heads(store.folder / "returning", store.tokens, _cursor(store))
    for _ in range(BEHIND):
        store.ours.publish()
    server.wait_until_worked_off()
    with listening(store.folder, server.port, STREAM, heads) as listeners:
        yield listeners


def _check(listeners: Listeners, count: int) -> None:
    """All are back, live, and heard everything once and in order."""
    counts = listeners.counts()
    if not counts.least == counts.most == BEHIND + 1 or counts.again or counts.ended:
        raise RuntimeError(f"something was lost or came twice: {counts}")
    if counts.resumed != count:
        raise RuntimeError(f"{counts.resumed} of {count} streams were resumed")


def _cursor(store: Store) -> str:
    """Where the log's head is, as a stream tells it."""
    with connect(store.ours.server.port) as stream:
        headers = {"cookie": f"{COOKIE}={store.tokens[0]}"}
        stream.sendall(request("GET", STREAM, headers))
        rest = read_until(stream, b"\nid: ")
        while b"\n" not in rest:
            rest += stream.recv(1024)
    return rest.partition(b"\n")[0].decode()


def _wait_until_closed(server: Server, idle: int) -> None:
    wait_for(lambda: server.sockets() <= idle, 30, "streams to be closed", server.log)


def _count_statements(store: Store) -> Counter[str]:
    """Statements while all come back, by what they read."""
    server, count = store.ours.server, len(store.tokens)
    with _returning(store) as listeners:
        before = Counter(server.ask("bench.statements"))
        listeners.open(count, AT_ONCE)
        listeners.wait(count * BEHIND)
        ran = Counter(server.ask("bench.statements"))
    ran.subtract(before)
    return ran


def _ratios(turns: list[Turn], ran: Counter[str]) -> list[Figure]:
    ratios = [turn.back / turn.plain for turn in turns]
    asked = (ran["sessions"] + ran["identities"]) / most_streams(COUNTED)
    return [
        of_rounds("CPU per returning stream, of a plain connect's", ratios, "×", CPU_BAR),
        of_rounds("statements that read the log", [ran["log"]], "", REPLAY_BAR),
        of_rounds("statements on sessions and access, per stream", [asked], "", QUESTIONS_BAR),
    ]


def _figures(turns: list[Turn]) -> list[Figure]:
    return [
        of_rounds("plain connect: CPU per stream", [turn.plain for turn in turns], "µs"),
        of_rounds("return: CPU per stream", [turn.back for turn in turns], "µs"),
        of_rounds("until all are live again", [turn.seconds for turn in turns], "s"),
    ]
