"""Deskwire under Python's profiler: one profile per thread, written when the server ends.

    python -m bench.profiled MODULE serve      MODULE: deskwire.cli, or bench.held_worker

PROFILES names the folder. The profiler makes every Python call dearer (two to three times in all),
so these figures say what dominates and how often it is called, not how long it takes.
"""

from __future__ import annotations

import cProfile
import os
import runpy
import sys
import threading
import time
from pathlib import Path

_profiles: dict[str, cProfile.Profile] = {}


def main() -> None:
    module = sys.argv.pop(1)
    threading.setprofile(_begin)
    try:
        _begin_here("loop").runcall(runpy.run_module, module, run_name="__main__")
    finally:
        for name, profile in _profiles.items():
            profile.dump_stats(Path(os.environ["PROFILES"]) / f"{name}.prof")


def _begin(*_event: object) -> None:
    """Called at a new thread's first step; from then on the thread's own profile takes over."""
    _begin_here(threading.current_thread().name).enable()


def _begin_here(name: str) -> cProfile.Profile:
    return _profiles.setdefault(name, cProfile.Profile(time.thread_time))


if __name__ == "__main__":
    main()
