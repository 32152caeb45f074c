"""Report what is needed to judge a run: versions, cores, and how noisy the machine was.

Results are published, so they contain no host names and no paths.
"""

from __future__ import annotations

import os
import platform
import resource
import sqlite3
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

REPORTED_LIBRARIES = ("uvicorn", "uvloop", "httptools", "sqlalchemy", "starlette")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")  # of /proc per second
SPARE_DESCRIPTORS = 500  # needed by a server beside its streams: files, threads, its database


def read_machine_facts() -> dict[str, object]:
    """Return the cores and versions of the machine."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "file_descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        **{name: version(name) for name in REPORTED_LIBRARIES},
    }


def cap_streams(wanted: int) -> int:
    """Return `wanted`, or the number of streams the hard limit of open files allows if smaller."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE_DESCRIPTORS)


class MachineNoise:
    """Measure how much of the machine other processes use during a run."""

    def __init__(self, cpu_of_servers: Callable[[], float]) -> None:
        self._cpu_of_servers = cpu_of_servers
        self._began = time.monotonic()
        self._before = self._read_other_cpu()

    def read_share(self) -> float:
        """Return the share of all cores (0 to 1) that processes outside this run have used."""
        elapsed = (time.monotonic() - self._began) * (os.cpu_count() or 1)
        return max(0.0, (self._read_other_cpu() - self._before) / elapsed)

    def _read_other_cpu(self) -> float:
        # `os.times` includes children only once they have ended: load clients have, servers not.
        return _read_machine_cpu() - sum(os.times()[:4]) - self._cpu_of_servers()


def _read_machine_cpu() -> float:
    fields = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = sum(fields[3:7])  # idle, waiting for the disk; interrupts, ours among them
    return (sum(fields[:8]) - idle) / CLOCK_TICKS
