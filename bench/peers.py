"""Fan-out beside the other ways to do it, each where this machine has what it needs.

Every peer writes the same bytes to as many streams and does nothing else; Deskwire is as shipped,
with its door, log, rights and rendering, and is published to by signed webhooks.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.c_programs import NO_COMPILER, find_compiler
from bench.contestants import Contestant, deskwire, keep_frame, limit, plain, poster, take_turn
from bench.machine import Noise, most_streams
from bench.report import Figure, Part, of_rounds
from bench.servers import ROOT, Server, free_port, running, scratch
from bench.stream_readers import Silence

SIZES = (1_000, 10_000)  # streams
ROUNDS = 3
SECONDS = {1_000: 0.4, 10_000: 0.8}  # s of CPU per turn, or one event where that takes longer

SSE_STARLETTE_BAR = 1 / 5  # of its CPU per send
FASTAPI_BAR = 1 / 20
NCHAN_BAR = 1.0

NCHAN_MODULES = (
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
)
NCHAN = """
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

Start = Callable[[ExitStack, Path], Server]


@dataclass(frozen=True, slots=True)
class Peer:
    """One other way, what it lacks here (None: nothing), and its bar at the largest size."""

    name: str
    lacks: str | None
    start: Start
    bar: float | None = None
    publish: Callable[[Server, Path], Callable[[], None]] = lambda server, _: poster(server.port)


def measure() -> Part:
    """Each peer in turn, alternating with Deskwire and the limit over as many streams."""
    how = f"one event to {' and '.join(f'{size:,}' for size in _sizes())} streams, against peers"
    if find_compiler() is None:
        return Part("peers", how, [], not_measured=NO_COMPILER)
    ratios, figures, notes, others = list[Figure](), list[Figure](), list[str](), [0.0]
    for size in _sizes():
        with ExitStack() as stack:
            folder = stack.enter_context(scratch())
            ours, tokens = deskwire(stack, folder, size + 1)
            keep_frame(folder, ours.server, tokens[-1])
            least = limit(stack, folder, size)
            ours.listeners.open(size)
            least.listeners.open(size)
            for peer in peers():
                found = _measure(peer, folder, size, ours, least)
                ratios += found.ratios
                figures += found.figures
                notes += found.notes
                others.append(found.others or 0.0)
    return Part("peers", how, ratios, figures, max(others), notes=notes)


def peers() -> list[Peer]:
    """Every peer, whether it can be run here or not."""
    node, nginx = shutil.which("node"), shutil.which("nginx")
    module = next((each for each in NCHAN_MODULES if Path(each).exists()), None)
    return [
        Peer(
            "nginx with nchan",
            _missing("nginx and nchan", nginx and module),
            _nchan,
            NCHAN_BAR,
            _post_text,
        ),
        Peer("granian, raw ASGI", _missing("granian", find_spec("granian")), _granian),
        Peer("Node's http", _missing("node", node), _node),
        Peer("uvicorn, raw ASGI", None, _python("raw")),
        Peer("Starlette Streaming", None, _python("starlette")),
        Peer(
            "sse-starlette",
            _missing("sse-starlette", find_spec("sse_starlette")),
            _python("sse_starlette"),
            SSE_STARLETTE_BAR,
        ),
        Peer("FastAPI EventSource", None, _python("fastapi"), FASTAPI_BAR),
    ]


def _sizes() -> list[int]:
    return [most_streams(size) for size in SIZES]


def _missing(what: str, found: object) -> str | None:
    return None if found else f"{what} not installed"


def _measure(peer: Peer, folder: Path, size: int, ours: Contestant, least: Contestant) -> Part:
    title = f"{peer.name}, {size:,}"
    if peer.lacks:
        return Part(peer.name, "", [], notes=[f"{title}: {peer.lacks}"])
    try:
        with ExitStack() as stack:
            return _take_turns(peer, title, _open(peer, stack, folder, size), ours, least)
    except (Silence, OSError, RuntimeError, TimeoutError) as failure:
        return Part(peer.name, "", [], notes=[f"{title}: {str(failure).splitlines()[0]}"])


def _open(peer: Peer, stack: ExitStack, folder: Path, size: int) -> tuple[Contestant, float]:
    """The peer with its streams open, and KiB of memory per stream."""
    server = peer.start(stack, folder)
    listeners = plain(stack, folder, server, size)
    before = server.memory()
    listeners.open(size)
    contestant = Contestant(server, listeners, peer.publish(server, folder))
    contestant.publish()
    listeners.wait(size)
    return contestant, (server.memory() - before) / size / 1024


def _take_turns(
    peer: Peer, title: str, opened: tuple[Contestant, float], ours: Contestant, least: Contestant
) -> Part:
    theirs, memory = opened
    size = theirs.listeners.count
    everybody = (ours, least, theirs)
    noise = Noise(lambda: sum(each.cpu() for each in everybody))
    rounds = [[take_turn(each, _seconds(size)) for each in everybody] for _ in range(ROUNDS)]
    costs = [[turn.per_send for turn in turns] for turns in rounds]
    bar = peer.bar if size == _sizes()[-1] else None
    return Part(
        peer.name,
        "",
        [of_rounds(f"CPU per send, of {title}", [o / t for o, _, t in costs], "×", bar)],
        [
            of_rounds(
                f"{title}: CPU per send, of the C limit's", [t / c for _, c, t in costs], "×"
            ),
            of_rounds(f"{title}: CPU per send", [t for _, _, t in costs], "µs"),
            of_rounds(f"{title}: memory per stream", [memory], "KiB"),
        ],
        noise.share(),
    )


def _seconds(size: int) -> float:
    return next((SECONDS[each] for each in SECONDS if size <= each), max(SECONDS.values()))


def _python(name: str) -> Start:
    def start(stack: ExitStack, folder: Path) -> Server:
        frame = str(folder / "frame")
        return stack.enter_context(running(("-m", "bench.peer_apps"), PEER=name, FRAME=frame))

    return start


def _node(stack: ExitStack, folder: Path) -> Server:
    command = [str(shutil.which("node")), str(ROOT / "bench/peer_node.mjs")]
    return stack.enter_context(running(command, FRAME=str(folder / "frame")))


def _granian(stack: ExitStack, folder: Path) -> Server:
    port, frame = str(free_port()), str(folder / "frame")
    command = ("-m", "granian", "--interface", "asgi", "--port", port, "--backlog", "4096")
    app = (*command, "bench.peer_apps:app")
    return stack.enter_context(running(app, None, PORT=port, PEER="raw", FRAME=frame))


def _nchan(stack: ExitStack, _folder: Path) -> Server:
    own = stack.enter_context(scratch())
    port = free_port()
    module = next(each for each in NCHAN_MODULES if Path(each).exists())
    (own / "nginx.conf").write_text(NCHAN.format(module=module, port=port))
    command = [str(shutil.which("nginx")), "-p", str(own), "-c", "nginx.conf"]
    return stack.enter_context(running(command, own, PORT=str(port)))


def _post_text(server: Server, folder: Path) -> Callable[[], None]:
    """nchan is given the event's text and makes the frame itself."""
    lines = (folder / "frame").read_bytes().split(b"\n")
    return poster(server.port, body=next(each for each in lines if each.startswith(b"data: "))[6:])
