"""Measure a reconnect storm: ten thousand streams return at once, each fifty events behind.

The yardstick is a plain connect to the same server, in alternation. Lost and repeated events are
counted by the position of each event at each reader. SQL statements are counted in separate runs
with fewer streams, because counting takes time.
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
COUNTED_STREAMS = 2_000  # streams in the runs that count statements
EVENTS_BEHIND = 50  # events, all of which each stream may hear
MAX_CONNECTING = 1_000  # streams connecting at a time; browsers wait rather than retry
WARM_UP_STREAMS = 500  # streams opened and closed first, so that one-time allocations are done
ROUND_COUNT = 3

MAX_CPU_RATIO = 2.0  # × a plain connect
MAX_REPLAY_STATEMENTS = 0.0  # statements that read the log
MAX_AUTHORIZATION_STATEMENTS = 0.1  # statements that read sessions or access, per stream


class ReconnectCost(NamedTuple):
    """The costs of a reconnect and of a plain connect."""

    connect_cpu: float  # µs of CPU per stream
    reconnect_cpu: float  # µs of CPU per stream
    seconds: float  # s until all were live again


class ServerWithStreams(NamedTuple):
    """A server, and the tokens of the people whose streams reconnect."""

    ours: Contestant
    tokens: list[str]
    folder: Path


def measure() -> Report:
    """Alternate plain connects and reconnects, then count statements."""
    streams = cap_streams(STREAM_COUNT)
    method = (
        f"{streams:,} streams return, {EVENTS_BEHIND} events behind, {MAX_CONNECTING:,} at a time"
    )
    if find_compiler() is None:
        return Report("storm", method, [], not_measured=NO_COMPILER_REASON)
    with ExitStack() as stack:
        target = _start_server(stack, streams)
        noise = MachineNoise(target.ours.server.read_cpu)
        turns = [_run_turn(target) for _ in range(ROUND_COUNT)]
        share = noise.read_share()
    with ExitStack() as stack:
        target = _start_server(stack, cap_streams(COUNTED_STREAMS), WITH_HOOKS, "yes")
        statements = _count_statements(target)
    return Report("storm", method, _ratio_figures(turns, statements), _time_figures(turns), share)


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
    reconnect, seconds = _measure_reconnects(target)
    return ReconnectCost(plain, reconnect, seconds)


def _measure_connects(ours: Contestant, count: int) -> float:
    """Open streams without a cursor, and close them; return the µs of CPU per stream."""
    server = ours.server
    idle, before = server.count_sockets(), server.read_cpu()
    ours.listeners.open(count, MAX_CONNECTING)
    cpu = server.read_cpu() - before
    ours.listeners.close()
    _wait_until_closed(server, idle)
    return cpu / count * 1e6


def _measure_reconnects(target: ServerWithStreams) -> tuple[float, float]:
    """Publish while no stream is open, then reconnect all.

    Returns the µs of CPU per stream, and the seconds until all had caught up.
    """
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
    """Publish the missed events, then start readers that resume before them."""
    server = target.ours.server
    cursor = read_cursor(target.ours, target.tokens[0])
    heads = write_request_heads(target.folder / "returning", target.tokens, cursor)
    for _ in range(EVENTS_BEHIND):
        target.ours.publish()
    server.wait_until_processed()
    with running_readers(target.folder, server.port, STREAM_PATH, heads) as listeners:
        yield listeners


def _check_all_heard_once(listeners: StreamReaders, count: int) -> None:
    """Check that every stream resumed and heard every event once and in order."""
    counts = listeners.read_counts()
    if not counts.least == counts.most == EVENTS_BEHIND + 1 or counts.again or counts.ended:
        raise RuntimeError(f"events were lost or heard twice: {counts}")
    if counts.resumed != count:
        raise RuntimeError(f"{counts.resumed} of {count} streams were resumed")


def read_cursor(ours: Contestant, token: str) -> str:
    """Read the cursor of the log's head from a new stream."""
    with connect(ours.server.port) as stream:
        headers = {"cookie": f"{COOKIE_NAME}={token}"}
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
    """Count the statements while all streams reconnect, by the table they read."""
    server, count = target.ours.server, len(target.tokens)
    with _reconnecting_readers(target) as listeners:
        before = Counter(server.run_command("bench.statements"))
        listeners.open(count, MAX_CONNECTING)
        listeners.wait_for_events(count * EVENTS_BEHIND)
        statements = Counter(server.run_command("bench.statements"))
    statements.subtract(before)
    return statements


def _ratio_figures(turns: list[ReconnectCost], statements: Counter[str]) -> list[Figure]:
    ratios = [turn.reconnect_cpu / turn.connect_cpu for turn in turns]
    authorizing = statements["sessions"] + statements["identities"]
    return [
        figure_of_rounds(
            "CPU per returning stream, of a plain connect's", ratios, "×", MAX_CPU_RATIO
        ),
        figure_of_rounds(
            "statements that read the log", [statements["log"]], "", MAX_REPLAY_STATEMENTS
        ),
        figure_of_rounds(
            "statements on sessions and access, per stream",
            [authorizing / cap_streams(COUNTED_STREAMS)],
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
