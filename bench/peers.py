"""Compare the fan-out with other servers and libraries, where they are installed.

Every peer writes the same bytes to the same number of streams and does nothing else. Deskwire is as
shipped, with its door, log, permissions and rendering, and publishes what signed webhooks deliver.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.c_programs import NO_COMPILER_REASON, find_compiler
from bench.contestants import (
    Contestant,
    make_poster,
    open_anonymous_listeners,
    run_turn,
    start_c_limit,
    start_deskwire,
    write_frame_file,
)
from bench.machine import MachineNoise, cap_streams
from bench.report import Figure, Report, figure_of_rounds
from bench.servers import ROOT, Server, free_port, running_server, temporary_folder
from bench.stream_readers import NotHeard

STREAM_COUNTS = (1_000, 10_000)  # streams
ROUND_COUNT = 3
CPU_SECONDS_BY_SIZE = {1_000: 0.4, 10_000: 0.8}  # s of CPU per turn; at least one event

MAX_SSE_STARLETTE_RATIO = 1 / 5  # of its CPU per send
MAX_FASTAPI_RATIO = 1 / 20
MAX_NCHAN_RATIO = 1.0

NCHAN_MODULES = (
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
)
NCHAN_CONFIG = """
load_module {module};
daemon off; master_process off; user root; pid nginx.pid; error_log stderr error;
worker_rlimit_nofile 65536;
events {{ worker_connections 32768; }}
http {{
  access_log off;
  client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t;
  scgi_temp_path t; nchan_max_reserved_memory 64M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /readyz {{ return 200; }}
    location = /events {{ nchan_subscriber eventsource; nchan_channel_id all; }}
    location = /1 {{ nchan_publisher; nchan_channel_id all; nchan_message_buffer_length 1; }}
  }}
}}
"""

StartServer = Callable[[ExitStack, Path], Server]


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer, what this machine lacks to run it (None: nothing), its bar at the largest size."""

    name: str
    missing: str | None
    start: StartServer
    max_ratio: float | None = None
    publish: Callable[[Server, Path], Callable[[], None]] = lambda server, _: make_poster(
        server.port
    )


def measure() -> Report:
    """Measure each peer, alternating with Deskwire and the limit over equally many streams."""
    sizes = " and ".join(f"{size:,}" for size in _stream_counts())
    method = f"one event to {sizes} streams, against peers"
    if find_compiler() is None:
        return Report("peers", method, [], not_measured=NO_COMPILER_REASON)
    ratios, figures, notes, others = list[Figure](), list[Figure](), list[str](), [0.0]
    for size in _stream_counts():
        with ExitStack() as stack:
            folder = stack.enter_context(temporary_folder())
            ours, tokens = start_deskwire(stack, folder, size + 1)
            write_frame_file(folder, ours.server, tokens[-1])
            limit = start_c_limit(stack, folder, size)
            ours.listeners.open(size)
            limit.listeners.open(size)
            for peer in list_peers():
                report = _measure_peer(peer, folder, size, ours, limit)
                ratios += report.ratios
                figures += report.figures
                notes += report.notes
                others.append(report.noise_share or 0.0)
    return Report("peers", method, ratios, figures, max(others), notes=notes)


def list_peers() -> list[Peer]:
    """List every peer, whether it can run on this machine or not."""
    node, nginx = shutil.which("node"), shutil.which("nginx")
    module = next((each for each in NCHAN_MODULES if Path(each).exists()), None)
    return [
        Peer(
            "nginx with nchan",
            _reason_missing("nginx and nchan", nginx and module),
            _start_nchan,
            MAX_NCHAN_RATIO,
            _make_text_poster,
        ),
        Peer("granian, raw ASGI", _reason_missing("granian", find_spec("granian")), _start_granian),
        Peer("Node's http", _reason_missing("node", node), _start_node),
        Peer("uvicorn, raw ASGI", None, _start_python("raw")),
        Peer("Starlette Streaming", None, _start_python("starlette")),
        Peer(
            "sse-starlette",
            _reason_missing("sse-starlette", find_spec("sse_starlette")),
            _start_python("sse_starlette"),
            MAX_SSE_STARLETTE_RATIO,
        ),
        Peer("FastAPI EventSource", None, _start_python("fastapi"), MAX_FASTAPI_RATIO),
    ]


def _stream_counts() -> list[int]:
    return [cap_streams(size) for size in STREAM_COUNTS]


def _reason_missing(what: str, found: object) -> str | None:
    return None if found else f"{what} not installed"


def _measure_peer(
    peer: Peer, folder: Path, size: int, ours: Contestant, limit: Contestant
) -> Report:
    title = f"{peer.name}, {size:,}"
    if peer.missing:
        return Report(peer.name, "", [], notes=[f"{title}: {peer.missing}"])
    try:
        with ExitStack() as stack:
            return _run_turns(peer, title, _open_peer(peer, stack, folder, size), ours, limit)
    except (NotHeard, OSError, RuntimeError, TimeoutError) as failure:
        return Report(peer.name, "", [], notes=[f"{title}: {str(failure).splitlines()[0]}"])


def _open_peer(peer: Peer, stack: ExitStack, folder: Path, size: int) -> tuple[Contestant, float]:
    """Start the peer and open its streams; return it and the KiB of memory per stream."""
    server = peer.start(stack, folder)
    listeners = open_anonymous_listeners(stack, folder, server, size)
    before = server.read_memory()
    listeners.open(size)
    contestant = Contestant(server, listeners, peer.publish(server, folder))
    contestant.publish()
    listeners.wait_for_events(size)
    return contestant, (server.read_memory() - before) / size / 1024


def _run_turns(
    peer: Peer, title: str, opened: tuple[Contestant, float], ours: Contestant, limit: Contestant
) -> Report:
    contestant, memory = opened
    size = contestant.listeners.count
    contestants = (ours, limit, contestant)
    noise = MachineNoise(lambda: sum(each.cpu() for each in contestants))
    rounds = [
        [run_turn(each, _cpu_seconds(size)) for each in contestants] for _ in range(ROUND_COUNT)
    ]
    costs = [[turn.per_send for turn in turns] for turns in rounds]
    bar = peer.max_ratio if size == _stream_counts()[-1] else None
    return Report(
        peer.name,
        "",
        [figure_of_rounds(f"CPU per send, of {title}", [o / t for o, _, t in costs], "×", bar)],
        [
            figure_of_rounds(
                f"{title}: CPU per send, of the C limit's", [t / c for _, c, t in costs], "×"
            ),
            figure_of_rounds(f"{title}: CPU per send", [t for _, _, t in costs], "µs"),
            figure_of_rounds(f"{title}: memory per stream", [memory], "KiB"),
        ],
        noise.read_share(),
    )


def _cpu_seconds(size: int) -> float:
    return next(
        (CPU_SECONDS_BY_SIZE[each] for each in CPU_SECONDS_BY_SIZE if size <= each),
        max(CPU_SECONDS_BY_SIZE.values()),
    )


def _start_python(name: str) -> StartServer:
    def start(stack: ExitStack, folder: Path) -> Server:
        frame = str(folder / "frame")
        return stack.enter_context(
            running_server(("-m", "bench.peer_apps"), PEER=name, FRAME=frame)
        )

    return start


def _start_node(stack: ExitStack, folder: Path) -> Server:
    command = [str(shutil.which("node")), str(ROOT / "bench/peer_node.mjs")]
    return stack.enter_context(running_server(command, FRAME=str(folder / "frame")))


def _start_granian(stack: ExitStack, folder: Path) -> Server:
    port, frame = str(free_port()), str(folder / "frame")
    command = ("-m", "granian", "--interface", "asgi", "--port", port, "--backlog", "4096")
    app = (*command, "bench.peer_apps:app")
    return stack.enter_context(running_server(app, None, PORT=port, PEER="raw", FRAME=frame))


def _start_nchan(stack: ExitStack, _folder: Path) -> Server:
    own = stack.enter_context(temporary_folder())
    port = free_port()
    module = next(each for each in NCHAN_MODULES if Path(each).exists())
    (own / "nginx.conf").write_text(NCHAN_CONFIG.format(module=module, port=port))
    command = [str(shutil.which("nginx")), "-p", str(own), "-c", "nginx.conf"]
    return stack.enter_context(running_server(command, own, PORT=str(port)))


def _make_text_poster(server: Server, folder: Path) -> Callable[[], None]:
    """Return a call that posts the event's text to nchan, which makes the frame itself."""
    lines = (folder / "frame").read_bytes().split(b"\n")
    return make_poster(
        server.port, body=next(each for each in lines if each.startswith(b"data: "))[6:]
    )
