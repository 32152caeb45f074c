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

from bench.c_programs import NO_COMPILER_REASON, find_compiler
from bench.contestants import Contestant, start_deskwire
from bench.guild_owner import COOKIE_NAME, STREAM_PATH
from bench.machine import MachineNoise, cap_streams
from bench.many_people import write_request_heads
from bench.report import Figure, Report, figure_of_rounds
from bench.servers import DESKWIRE, WITH_HOOKS, Server, temporary_folder, wait_until
from bench.sockets import build_request, connect, read_until
from bench.stream_readers import StreamReaders, running_readers

STREAM_COUNT = 10_000
COUNTED_STREAMS = 2_000  # streams where statements are counted
EVENTS_BEHIND = 50  # events, all of which each stream may hear
MAX_CONNECTING = 1_000  # streams waiting to be live at a time; browsers wait, not retry
WARM_UP_STREAMS = 500  # streams that come and go before; whatever is made once is made then
ROUND_COUNT = 3

MAX_CPU_RATIO = 2.0  # × a plain connect
MAX_REPLAY_STATEMENTS = 0.0  # statements that read the log
MAX_AUTHORIZATION_STATEMENTS = 0.1  # statements that read sessions or access, per stream


class ReconnectCost(NamedTuple):
    """What a return cost, and what a plain connect did."""

    connect_cpu: float  # µs of CPU per stream
    reconnect_cpu: float  # µs of CPU per stream
    seconds: float  # until all were live again


class ServerWithStreams(NamedTuple):
    """A server with a crowd whose streams go and come back."""

    ours: Contestant
    tokens: list[str]
    folder: Path


def measure() -> Report:
    """Alternate plain connects and returns, then count statements."""
    streams = cap_streams(STREAM_COUNT)
    how = f"{streams:,} streams return, {EVENTS_BEHIND} events behind, {MAX_CONNECTING:,} at a time"
    if find_compiler() is None:
        return Report("storm", how, [], not_measured=NO_COMPILER_REASON)
    with ExitStack() as stack:
        store = _start_server(stack, streams)
        noise = MachineNoise(store.ours.server.read_cpu)
        turns = [_run_turn(store) for _ in range(ROUND_COUNT)]
        share = noise.read_share()
    with ExitStack() as stack:
        store = _start_server(stack, cap_streams(COUNTED_STREAMS), WITH_HOOKS, "yes")
        ran = _count_statements(store)
    return Report("storm", how, _ratio_figures(turns, ran), _time_figures(turns), share)


def _start_server(
    stack: ExitStack,
    stream_count: int,
    command: Sequence[str] = DESKWIRE,
    count_sql: str = "",
) -> ServerWithStreams:
    folder = stack.enter_context(temporary_folder())
    ours, tokens = start_deskwire(stack, folder, stream_count, command, COUNT_SQL=count_sql)
    _measure_connects(ours, WARM_UP_STREAMS)
    return ServerWithStreams(ours, tokens, folder)


def _run_turn(target: ServerWithStreams) -> ReconnectCost:
    plain = _measure_connects(target.ours, len(target.tokens))
    back, seconds = _measure_reconnects(target)
    return ReconnectCost(plain, back, seconds)


def _measure_connects(ours: Contestant, count: int) -> float:
    """Open streams that bring no cursor, and close them: µs of CPU per stream."""
    server = ours.server
    idle, before = server.count_sockets(), server.read_cpu()
    ours.listeners.open(count, MAX_CONNECTING)
    cpu = server.read_cpu() - before
    ours.listeners.close()
    _wait_until_closed(server, idle)
    return cpu / count * 1e6


def _measure_reconnects(target: ServerWithStreams) -> tuple[float, float]:
    """Publish while nobody listens, then let all come back: µs of CPU per stream, and seconds."""
    server, count = target.ours.server, len(target.tokens)
    idle = server.count_sockets()
    with _reconnecting_readers(target) as listeners:
        before = server.read_cpu()
        seconds = listeners.open(count, MAX_CONNECTING)
        seconds += listeners.wait_for_events(count * EVENTS_BEHIND)
        cpu = server.read_cpu() - before
        target.ours.publish()
        listeners.wait_for_events(count * (EVENTS_BEHIND + 1))
        _check_all_heard_once(listeners, count)
        listeners.close()
        _wait_until_closed(server, idle)
    return cpu / count * 1e6, seconds


@contextmanager
def _reconnecting_readers(target: ServerWithStreams) -> Iterator[StreamReaders]:
    """Readers about to come back, when they have missed what is published here."""
    server = target.ours.server
    heads = write_request_heads(target.folder / "returning", target.tokens, _read_cursor(target))
    for _ in range(EVENTS_BEHIND):
        target.ours.publish()
    server.wait_until_processed()
    with running_readers(target.folder, server.port, STREAM_PATH, heads) as listeners:
        yield listeners


def _check_all_heard_once(listeners: StreamReaders, count: int) -> None:
    """All are back, live, and heard everything once and in order."""
    counts = listeners.read_counts()
    if not counts.least == counts.most == EVENTS_BEHIND + 1 or counts.again or counts.ended:
        raise RuntimeError(f"something was lost or came twice: {counts}")
    if counts.resumed != count:
        raise RuntimeError(f"{counts.resumed} of {count} streams were resumed")


def _read_cursor(target: ServerWithStreams) -> str:
    """Where the log's head is, as a stream tells it."""
    with connect(target.ours.server.port) as stream:
        headers = {"cookie": f"{COOKIE_NAME}={target.tokens[0]}"}
        stream.sendall(build_request("GET", STREAM_PATH, headers))
        rest = read_until(stream, b"\nid: ")
        while b"\n" not in rest:
            rest += stream.recv(1024)
    return rest.partition(b"\n")[0].decode()


def _wait_until_closed(server: Server, idle: int) -> None:
    wait_until(
        lambda: server.count_sockets() <= idle, 30, "streams to be closed", server.read_log_tail
    )


def _count_statements(target: ServerWithStreams) -> Counter[str]:
    """Statements while all come back, by what they read."""
    server, count = target.ours.server, len(target.tokens)
    with _reconnecting_readers(target) as listeners:
        before = Counter(server.run_command("bench.statements"))
        listeners.open(count, MAX_CONNECTING)
        listeners.wait_for_events(count * EVENTS_BEHIND)
        ran = Counter(server.run_command("bench.statements"))
    ran.subtract(before)
    return ran


def _ratio_figures(turns: list[ReconnectCost], ran: Counter[str]) -> list[Figure]:
    ratios = [turn.reconnect_cpu / turn.connect_cpu for turn in turns]
    asked = (ran["sessions"] + ran["identities"]) / cap_streams(COUNTED_STREAMS)
    return [
        figure_of_rounds(
            "CPU per returning stream, of a plain connect's", ratios, "×", MAX_CPU_RATIO
        ),
        figure_of_rounds("statements that read the log", [ran["log"]], "", MAX_REPLAY_STATEMENTS),
        figure_of_rounds(
            "statements on sessions and access, per stream",
            [asked],
            "",
            MAX_AUTHORIZATION_STATEMENTS,
        ),
    ]


def _time_figures(turns: list[ReconnectCost]) -> list[Figure]:
    return [
        figure_of_rounds(
            "plain connect: CPU per stream", [turn.connect_cpu for turn in turns], "µs"
        ),
        figure_of_rounds("return: CPU per stream", [turn.reconnect_cpu for turn in turns], "µs"),
        figure_of_rounds("until all are live again", [turn.seconds for turn in turns], "s"),
    ]
