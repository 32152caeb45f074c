"""Runs pytest; without a Chromium, everything but the browser tests, and says so at the very end.

Arguments are pytest's. `CHROMIUM` names the browser; otherwise the usual names are looked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# Half of the time of a test is waiting: for a server to start, a browser to draw, a beat to come.
# Files stay whole, so that the servers they share are started once.
TOGETHER = ("-n", "3", "--dist", "loadfile")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def main(arguments: list[str]) -> int:
    """Run the tests; gives pytest's exit code."""
    chosen = os.environ.get("CHROMIUM", "")
    browser = shutil.which(chosen) if chosen else _first_of(NAMES)
    if chosen and browser is None:
        print(f"CHROMIUM={chosen} is no program; correct it or leave it out.", file=sys.stderr)
        return 2
    pytest = [sys.executable, "-m", "pytest", *TOGETHER, *arguments]
    if browser is not None:
        os.execve(pytest[0], pytest, {**os.environ, "CHROMIUM": browser})
    code = subprocess.run([*pytest, "-m", "not browser"], check=False).returncode
    print(
        "Left out: the browser tests, because there is no Chromium. Install one "
        "(apt-get install chromium) or name it: CHROMIUM=/path/to/chromium make test"
    )
    return code


def _first_of(names: tuple[str, ...]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
