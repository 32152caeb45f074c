"""The benchmarks: `python -m bench [PART …]`, all parts if none is named; see bench/results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from bench import (
    browser,
    burst,
    cpu_profile,
    door,
    fanout,
    latency,
    memory,
    pages,
    peers,
    start,
    storm,
)
from bench.machine import read_machine_facts
from bench.report import Report, render_report, save_report
from deskwire.server.serve import raise_file_limit

MEASUREMENTS: dict[str, Callable[[], Report]] = {
    "fanout": fanout.measure,
    "peers": peers.measure,
    "burst": burst.measure,
    "memory": memory.measure,
    "storm": storm.measure,
    "door": door.measure,
    "latency": latency.measure,
    "browser": browser.measure,
    "pages": pages.measure,
    "pages_postgres": pages.measure_postgres,
    "requests": pages.measure_requests,
    "requests_postgres": pages.measure_requests_postgres,
    "start": start.measure,
    "profile": cpu_profile.measure,
}


def main() -> None:
    """Measure, print the table, write the results."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(MEASUREMENTS))
    chosen = parser.parse_args().parts or list(MEASUREMENTS)
    if unknown := [name for name in chosen if name not in MEASUREMENTS]:
        parser.error(f"there is no part {unknown[0]!r}; choose from {', '.join(MEASUREMENTS)}")
    raise_file_limit()  # the readers and the peers inherit it
    machine, began = read_machine_facts(), time.monotonic()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for name in chosen:
        part = MEASUREMENTS[name]()
        print(render_report(part), flush=True)
        save_report(part, machine)
    print(f"\n{time.monotonic() - began:.0f} s; value, then lowest–highest of the rounds")


if __name__ == "__main__":
    main()
