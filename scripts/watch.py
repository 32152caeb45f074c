"""Run the demo and restart or rebuild it when a source changes (`make watch`).

Starts three child processes: esbuild and Tailwind in watch mode, which rebuild what the browser
loads, and `deskwire demo`, which is restarted when Python, a template or a translation changes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watchfiles import DefaultFilter, run_process

ROOT = Path(__file__).resolve().parents[1]
FRONTEND = ROOT / "frontend"
SOURCES = ROOT / "src" / "deskwire"
RESTARTS_ON = (".py", ".html", ".txt", ".po")
BUILDERS = (["node", "scripts/build.mjs", "--watch"], ["npm", "run", "--silent", "watch:styles"])
STOP_TIMEOUT = 5.0  # s for a builder to end before it is killed


class SourceFilter(DefaultFilter):
    """Match files that need a server restart, unlike those built into web/static/dist."""

    def __call__(self, change: object, path: str) -> bool:
        return path.endswith(RESTARTS_ON) and super().__call__(change, path)  # type: ignore[arg-type]


def main() -> None:
    """Watch until Ctrl-C."""
    command = f"{sys.executable} -m deskwire demo"
    print("Watching src/deskwire and frontend/src. Ctrl-C ends it.", flush=True)
    with running_builders():
        run_process(SOURCES, target=command, target_type="command", watch_filter=SourceFilter())


@contextmanager
def running_builders() -> Iterator[None]:
    """Run esbuild and Tailwind in watch mode until the block ends."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    builders = [
        subprocess.Popen(
            each, cwd=FRONTEND, env={**os.environ, "PATH": path}, stdin=subprocess.PIPE
        )
        for each in BUILDERS
    ]
    try:
        yield
    finally:
        for builder in builders:
            builder.terminate()
        for builder in builders:
            try:
                builder.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                builder.kill()


if __name__ == "__main__":
    main()
