"""Measure the memory of an idle stream, and of a client that stops reading.

Kernel memory is that of all TCP sockets of the machine. Over loopback it includes the clients' own
buffers, which are on another machine in production; so it is also measured with clients whose
buffers are as small as the kernel allows.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from bench.c_programs import NO_COMPILER_REASON, find_compiler
from bench.contestants import Contestant, make_webhook_publisher, start_deskwire, write_frame_file
from bench.machine import MachineNoise, cap_streams
from bench.many_people import CHANNELS_PER_PERSON
from bench.processes import read_tcp_memory
from bench.report import Figure, Report
from bench.servers import temporary_folder, wait_until
from bench.webhook_bodies import SENTENCES

STREAM_COUNTS = (5_000, 10_000)  # streams
WARM_UP_STREAMS = 200  # streams opened and closed first, so that one-time allocations are done
MAX_CONNECTING = (
    64  # streams opened at a time; requests in flight take memory that the process keeps
)
SETTLE_SECONDS = 2.0  # s until the server is idle again
STOPPED_READERS = 1_000  # clients that stop reading
OFFERED_BYTES = 1024 * 1024  # bytes sent to each of them; four times what they may cost
SMALL_BUFFER_BYTES = (
    2_048  # bytes of a client's receive buffer; the kernel rounds up to its minimum
)
MESSAGE_TEXT = " ".join(SENTENCES * 6)[:2_000]  # characters; Discord's limit for a message

MAX_IDLE_KIB = 4.0  # KiB per stream
MAX_STOPPED_KIB = 64.0  # KiB of the process per stopped reader
MAX_KERNEL_KIB = 256.0  # KiB of the kernel per stopped reader

METHOD = (
    f"PSS per stream in {CHANNELS_PER_PERSON} channels, minus none open; "
    f"{STOPPED_READERS:,} readers that stop are offered {OFFERED_BYTES // 1024:,} KiB each"
)


def measure() -> Report:
    """Measure idle streams on one server, and stopped readers on fresh ones."""
    if find_compiler() is None:
        return Report("memory", METHOD, [], not_measured=NO_COMPILER_REASON)
    noise = MachineNoise(lambda: 0.0)
    figures = _measure_idle()
    process, kernel = _measure_stopped(SMALL_BUFFER_BYTES)
    figures.append(
        _kib_figure(
            "stopped reader: process, with the events kept for all", process, MAX_STOPPED_KIB
        )
    )
    figures.append(
        _kib_figure("stopped reader: the kernel, the server's end", kernel, MAX_KERNEL_KIB)
    )
    _, kernel = _measure_stopped(0)
    figures.append(_kib_figure("stopped reader: the kernel, both ends", kernel))
    return Report("memory", METHOD, figures, [], noise.read_share())


def _measure_idle() -> list[Figure]:
    sizes = sorted({cap_streams(size) for size in STREAM_COUNTS})
    with ExitStack() as stack:
        ours, _ = start_deskwire(stack, stack.enter_context(temporary_folder()), sizes[-1])
        ours.listeners.open(WARM_UP_STREAMS)
        _close_streams(ours)
        memory, figures = {0: ours.server.read_memory()}, list[Figure]()
        for size in sizes:
            ours.listeners.open(size - ours.listeners.count, MAX_CONNECTING)
            time.sleep(SETTLE_SECONDS)
            memory[size] = ours.server.read_memory()
            each = _kib_per(memory[size] - memory[0], size)
            figures.append(_kib_figure(f"idle, {size:,} streams", each, MAX_IDLE_KIB))
        few, many = sizes[0], sizes[-1]
        further = _kib_per(memory[many] - memory[few], many - few)
        figures.append(_kib_figure(f"idle, each from {few:,} to {many:,}", further))
        return figures


def _measure_stopped(buffer: int) -> tuple[float, float]:
    """Return KiB of the process and of the kernel per stopped reader with `buffer` bytes."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        ours, tokens = start_deskwire(stack, folder, STOPPED_READERS, buffer=buffer)
        length = write_frame_file(folder, ours.server, tokens[0], MESSAGE_TEXT)
        publish = make_webhook_publisher(ours.server.port, text=MESSAGE_TEXT)
        ours.listeners.open(STOPPED_READERS, MAX_CONNECTING)
        publish()
        ours.listeners.wait_for_events(STOPPED_READERS)
        process, kernel = ours.server.read_memory(), read_tcp_memory()
        ours.listeners.stop_reading(STOPPED_READERS)
        for _ in range(OFFERED_BYTES // length):
            publish()
        ours.server.wait_until_processed()
        time.sleep(SETTLE_SECONDS)
        return (
            _kib_per(ours.server.read_memory() - process, STOPPED_READERS),
            _kib_per(read_tcp_memory() - kernel, STOPPED_READERS),
        )


def _close_streams(ours: Contestant) -> None:
    """Close all streams and wait until the server has noticed."""
    before = ours.server.count_sockets()
    closed = ours.listeners.count
    ours.listeners.close()
    wait_until(
        lambda: ours.server.count_sockets() <= before - closed,
        SETTLE_SECONDS * 5,
        "the streams to be closed",
        ours.server.read_log_tail,
    )


def _kib_per(size: int, count: int) -> float:
    return size / count / 1024


def _kib_figure(what: str, value: float, bar: float | None = None) -> Figure:
    return Figure(what, value, "KiB", value, value, bar)
