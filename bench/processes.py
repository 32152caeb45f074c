"""Read CPU, memory and system calls of a process and its children from /proc (Linux)."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")  # of /proc/PID/stat per second
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")  # bytes


def read_cpu(pid: int) -> float:
    """Return the seconds of CPU used so far, in user mode and in the kernel."""
    return _sum_over_tree(pid, _read_ticks) / CLOCK_TICKS


def read_memory(pid: int) -> int:
    """Return the bytes of memory (PSS: shared pages count in part)."""
    return 1024 * _sum_over_tree(pid, lambda each: _read_field(each / "smaps_rollup", "Pss:"))


def count_writes(pid: int) -> int:
    """Count the calls of `write`, `writev` and `pwrite` so far."""
    return _sum_over_tree(pid, lambda each: _read_field(each / "io", "syscw:"))


def count_sockets(pid: int) -> int:
    """Count the open sockets of the process, without its children's."""
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            count += str(each.readlink()).startswith("socket:")
    return count


def read_tcp_memory() -> int:
    """Return the bytes the kernel uses for all TCP sockets of this machine."""
    words = Path("/proc/net/sockstat").read_text().split("TCP:", 1)[1].split("\n", 1)[0].split()
    return PAGE_BYTES * int(words[words.index("mem") + 1])


def _sum_over_tree(pid: int, read: Callable[[Path], int]) -> int:
    folder = Path(f"/proc/{pid}")
    total = read(folder)
    for child in (folder / "task" / str(pid) / "children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            total += _sum_over_tree(int(child), read)
    return total


def _read_ticks(folder: Path) -> int:
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _read_field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(f"{file} has no field {name}")
