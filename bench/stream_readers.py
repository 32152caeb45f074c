"""Open thousands of streams with a program in C that reads them and counts what arrives."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench import processes
from bench.c_programs import build_program

EVENT_MARKER = 'data: {"type":"ticket.'  # the start of an event's line, for every contestant
CONNECTED_MARKER = 'data: {"type":"connected"'  # Deskwire's own first frame
MAX_CONNECTING = 256  # streams connecting at a time
TIMEOUT = 60.0  # s for the streams to hear what was published


class NotHeard(Exception):
    """The streams did not hear all events in time."""


class Counts(NamedTuple):
    """Counts over all streams since the last `reset_counts`."""

    heard: int
    least: int  # events of one stream
    most: int
    again: int  # events received twice or out of order
    live: int
    resumed: int
    ended: int  # streams the server has closed
    ticks: int  # heartbeats of Deskwire, each a write of its own


class StreamReaders:
    """Control the program, one line per command."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        self.count = 0  # streams open

    def open(self, count: int, in_flight: int = MAX_CONNECTING) -> float:
        """Open `count` more streams; return the seconds until all are live.

        Raises NotHeard if some do not become live.
        """
        self.count += count
        live, seconds = self._send_command(f"open {count} {in_flight}")
        if live != self.count:
            raise NotHeard(f"{live:.0f} of {self.count} streams are live")
        return seconds

    def wait_for_events(self, event_count: int, seconds: float = TIMEOUT) -> float:
        """Wait until `event_count` events were heard in all; return the seconds it took.

        Raises NotHeard after `seconds`.
        """
        heard, took = self._send_command(f"wait {event_count} {seconds}")
        if heard < event_count:
            raise NotHeard(f"{heard:.0f} of {event_count} events arrived within {seconds:.0f} s")
        return took

    def read_counts(self) -> Counts:
        return Counts(*map(int, self._send_command("counts")))

    def reset_counts(self) -> None:
        """Set all counts to zero."""
        self._send_command("reset")

    def stop_reading(self, count: int) -> None:
        """Stop reading from the first `count` streams."""
        self._send_command(f"stop {count}")

    def close(self) -> None:
        """Close all streams."""
        self._send_command("close")
        self.count = 0

    def cpu(self) -> float:
        """Return the seconds of CPU that the readers have used."""
        return processes.read_cpu(self._program.pid)

    def _send_command(self, command: str) -> list[float]:
        if self._program.stdin is None or self._program.stdout is None:
            raise TypeError("the listeners were started without pipes")
        self._program.stdin.write(command + "\n")
        self._program.stdin.flush()
        answer = self._program.stdout.readline()
        if not answer:
            raise NotHeard(f"the listeners ended at {command!r}")
        return [float(each) for each in answer.split()]


@contextmanager
def running_readers(
    folder: Path,
    port: int,
    path: str,
    heads_file: Path,
    *,
    ready_marker: str = CONNECTED_MARKER,
    buffer_bytes: int = 0,
) -> Iterator[StreamReaders]:
    """Start readers for one server; no stream is open yet.

    `heads_file`: one line of headers per stream. `buffer_bytes`: kernel buffer per reader; 0: no
    limit.
    """
    program = build_program("listeners", folder)
    with subprocess.Popen(
        [program, str(port), path, str(heads_file), EVENT_MARKER, ready_marker, str(buffer_bytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield StreamReaders(process)
        finally:
            process.kill()  # its sockets close with it
