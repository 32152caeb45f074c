"""Run Deskwire under Python's profiler from SIGUSR1 until it exits, with one profile per thread.

    python -m bench.serve_profiled MODULE serve      MODULE: deskwire, or bench.serve_without_worker

PROFILES names the folder they are written to. Times are CPU time of the thread.
"""

from __future__ import annotations

import cProfile
import os
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

_profiles: dict[str, cProfile.Profile] = {}


def main() -> None:
    """Run MODULE as a program."""
    module = sys.argv.pop(1)
    signal.signal(signal.SIGUSR1, _begin_profiling)
    threading.setprofile(_begin_thread_profile)
    try:
        runpy.run_module(module, run_name="__main__")
    finally:
        for name, profile in _profiles.items():
            profile.dump_stats(Path(os.environ["PROFILES"]) / f"{name}.prof")


def _begin_profiling(*_signal: object) -> None:
    """Profile the event loop from now on, and clear what the other threads did before."""
    for profile in _profiles.values():
        profile.clear()
    _get_profile("loop").enable()


def _begin_thread_profile(*_event: object) -> None:
    """Start the profile of a new thread; called at its first step."""
    _get_profile(threading.current_thread().name).enable()


def _get_profile(name: str) -> cProfile.Profile:
    return _profiles.setdefault(name, cProfile.Profile(time.thread_time))


if __name__ == "__main__":
    main()
