"""Runs pytest; without a Chromium, everything but the browser tests, and says so at the very end.

Arguments are pytest's. `CHROMIUM` names the browser; otherwise the usual names are looked for.
What tests write is kept in memory where there is room for it, unless `TMPDIR` says where.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

# Half of the time of a test is waiting: for a server to start, a browser to draw, a beat to come.
# Files stay whole, so that the servers they share are started once.
XDIST_ARGUMENTS = ("-n", "3", "--dist", "loadfile")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MEMORY_FOLDER = Path("/dev/shm")  # creating a PostgreSQL database takes 0.04 s here, not 0.4
REQUIRED_BYTES = 4 << 30  # bytes; most that was seen is 1.2 GB


def main(arguments: list[str]) -> int:
    """Run the tests; gives pytest's exit code."""
    chosen = os.environ.get("CHROMIUM", "")
    browser = shutil.which(chosen) if chosen else _find_program(CHROMIUM_NAMES)
    if chosen and browser is None:
        print(f"CHROMIUM={chosen} is no program; correct it or leave it out.", file=sys.stderr)
        return 2
    parallel = () if _name_one_file(arguments) else XDIST_ARGUMENTS
    pytest = [sys.executable, "-m", "pytest", *parallel, *arguments]
    environment = dict(os.environ)
    with ExitStack() as stack:
        if "TMPDIR" not in os.environ and _has_room(MEMORY_FOLDER):
            folder = stack.enter_context(
                TemporaryDirectory(prefix="deskwire-tests-", dir=MEMORY_FOLDER)
            )
            Path(folder).chmod(0o711)  # PostgreSQL, which root starts as somebody else, passes
            environment["TMPDIR"] = folder
        if browser is not None:
            return _run_pytest(pytest, {**environment, "CHROMIUM": browser})
        code = _run_pytest([*pytest, "-m", "not browser"], environment)
    print(
        "Left out: the browser tests, because there is no Chromium. Install one "
        "(apt-get install chromium) or name it: CHROMIUM=/path/to/chromium make test"
    )
    return code


def _name_one_file(arguments: list[str]) -> bool:
    """Tell whether workers would only cost their start: a file is never split between them."""
    paths = [each.partition("::")[0] for each in arguments if each.startswith("tests/")]
    return len(set(paths)) == 1 and paths[0].endswith(".py")


def _run_pytest(command: list[str], environment: dict[str, str]) -> int:
    with subprocess.Popen(command, env=environment) as process:
        signal.signal(signal.SIGINT, lambda *_: None)  # a terminal tells pytest itself
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        return process.wait()


def _find_program(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= REQUIRED_BYTES


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
