"""Run the benchmarks: `python -m bench [PART …]`, all parts if none is named; see bench/results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bench import (
    browser,
    burst,
    cpu_profile,
    door,
    erasure,
    fanout,
    far_behind,
    latency,
    memory,
    pages,
    peers,
    reach,
    start,
    storm,
    writer,
)
from bench.against import measure_against
from bench.arguments import parse_arguments
from bench.machine import read_machine_facts
from bench.report import RESULTS, Report, render_report, save_report
from deskwire.server.serve import raise_file_limit

PARTS: dict[str, Callable[[], Report]] = {
    "fanout": fanout.measure,
    "peers": peers.measure,
    "burst": burst.measure,
    "memory": memory.measure,
    "storm": storm.measure,
    "far_behind": far_behind.measure,
    "door": door.measure,
    "latency": latency.measure,
    "browser": browser.measure,
    "pages": pages.measure,
    "pages_postgres": pages.measure_postgres,
    "requests": pages.measure_requests,
    "requests_postgres": pages.measure_requests_postgres,
    "start": start.measure,
    "profile": cpu_profile.measure,
    "writer": writer.measure,
    "reach": reach.measure,
    "erasure": erasure.measure,
}


def main() -> None:
    """Measure the parts, print the table, write the results."""
    arguments = parse_arguments(sys.argv[1:], list(PARTS))
    if arguments.against is not None:
        measure_against(arguments, arguments.against)
        return
    raise_file_limit()  # the readers and the peers inherit it
    machine, began = read_machine_facts(), time.monotonic()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for name in arguments.parts:
        part = PARTS[name]()
        print(render_report(part), flush=True)
        save_report(part, machine, arguments.into or RESULTS)
    print(f"\n{time.monotonic() - began:.0f} s; value, then lowest–highest of the rounds")


if __name__ == "__main__":
    main()
