"""Memory: what an open stream costs while nothing happens, and what a reader costs who stops.

Kernel memory is that of all TCP sockets of the machine. Over loopback the readers' own buffers are
in it, which elsewhere would be elsewhere; so it is measured with readers whose buffers are as small
as the kernel allows, too.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench.c_programs import NO_COMPILER, find_compiler
from bench.contestants import Contestant, deskwire, keep_frame, webhooks
from bench.machine import Noise, most_streams
from bench.many_people import CHANNELS
from bench.processes import tcp_memory
from bench.report import Figure, Part
from bench.servers import scratch, wait_for
from bench.webhook_bodies import SENTENCES

SIZES = (5_000, 10_000)  # streams
WARM_UP = 200  # streams opened and closed before, so that what every process needs once is there
IN_FLIGHT = 64  # opened at a time; a request under way takes memory the process keeps
SETTLE = 2.0  # s until what was opened has come to rest
STOPPED = 1_000  # readers that stop
OFFERED = 1024 * 1024  # bytes offered to each of them; four times what they may cost
SMALL = 2_048  # bytes of buffer of a reader; the kernel gives the least it can
TEXT = " ".join(SENTENCES * 6)[:2_000]  # characters; as long as Discord lets a message be

IDLE_BAR = 4.0  # KiB per stream
STOPPED_BAR = 64.0  # KiB of the process per stopped reader
KERNEL_BAR = 256.0  # KiB of the kernel per stopped reader

HOW = (
    f"PSS per stream in {CHANNELS} channels, minus none open; {STOPPED:,} readers that stop are "
    f"offered {OFFERED // 1024:,} KiB each"
)


def measure() -> Part:
    """Two servers: one for idle streams, a fresh one for readers that stop."""
    if find_compiler() is None:
        return Part("memory", HOW, [], not_measured=NO_COMPILER)
    noise = Noise(lambda: 0.0)
    figures = _measure_idle()
    process, kernel = _measure_stopped(SMALL)
    figures.append(
        _figure("stopped reader: process, with the events kept for all", process, STOPPED_BAR)
    )
    figures.append(_figure("stopped reader: the kernel, the server's end", kernel, KERNEL_BAR))
    _, kernel = _measure_stopped(0)
    figures.append(_figure("stopped reader: the kernel, both ends", kernel))
    return Part("memory", HOW, figures, [], noise.share())


def _measure_idle() -> list[Figure]:
    sizes = sorted({most_streams(size) for size in SIZES})
    with ExitStack() as stack:
        ours, _ = deskwire(stack, stack.enter_context(scratch()), sizes[-1])
        ours.listeners.open(WARM_UP)
        _close(ours)
        held, figures = {0: ours.server.memory()}, list[Figure]()
        for size in sizes:
            ours.listeners.open(size - ours.listeners.count, IN_FLIGHT)
            time.sleep(SETTLE)
            held[size] = ours.server.memory()
            each = _per(held[size] - held[0], size)
            figures.append(_figure(f"idle, {size:,} streams", each, IDLE_BAR))
        few, many = sizes[0], sizes[-1]
        further = _per(held[many] - held[few], many - few)
        figures.append(_figure(f"idle, each from {few:,} to {many:,}", further))
        return figures


def _measure_stopped(buffer: int) -> tuple[float, float]:
    """KiB of the process and of the kernel, per reader with that much buffer that stops."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        ours, tokens = deskwire(stack, folder, STOPPED, buffer=buffer)
        length = keep_frame(folder, ours.server, tokens[0], TEXT)
        publish = webhooks(ours.server.port, text=TEXT)
        ours.listeners.open(STOPPED, IN_FLIGHT)
        publish()
        ours.listeners.wait(STOPPED)
        process, kernel = ours.server.memory(), tcp_memory()
        ours.listeners.stop(STOPPED)
        for _ in range(OFFERED // length):
            publish()
        ours.server.wait_until_worked_off()
        time.sleep(SETTLE)
        return (
            _per(ours.server.memory() - process, STOPPED),
            _per(tcp_memory() - kernel, STOPPED),
        )


def _close(ours: Contestant) -> None:
    """Close all streams and wait until the server has noticed."""
    before = ours.server.sockets()
    closed = ours.listeners.count
    ours.listeners.close()
    wait_for(
        lambda: ours.server.sockets() <= before - closed,
        SETTLE * 5,
        "the streams to be closed",
        ours.server.log,
    )


def _per(size: int, count: int) -> float:
    return size / count / 1024


def _figure(what: str, value: float, bar: float | None = None) -> Figure:
    return Figure(what, value, "KiB", value, value, bar)
