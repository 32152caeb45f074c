"""Test an installed Deskwire as an operator would: version, migration, server, page, assets, stop.

smoke_test_wheel.py FOLDER      runs `deskwire` from the PATH, with a database in FOLDER
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

READY_TIMEOUT = 30.0  # s
STOP_TIMEOUT = 5.0  # s
MIN_ASSET_BYTES = 5_000  # bytes of a built file; a smaller one means that the build failed


def main(folder: Path) -> None:
    """Run the checks. Raises AssertionError or CalledProcessError if one fails."""
    if shutil.which("node"):
        raise AssertionError("there is a Node on the PATH, so that this would prove nothing")
    port = _free_port()
    database = f"sqlite:///{folder / 'data' / 'desk.db'}"
    environment = {**os.environ, "DATABASE_URL": database, "PORT": str(port)}
    for arguments in (["--version"], ["migrate"], ["migrate", "--check"]):
        subprocess.run(["deskwire", *arguments], check=True, env=environment)
    server = subprocess.Popen(["deskwire", "serve"], env=environment)
    try:
        _check_pages(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        code = server.wait(STOP_TIMEOUT)
    if code != 0:
        raise AssertionError(f"the server exited with {code}")


def _check_pages(url: str, server: subprocess.Popen[bytes]) -> None:
    _wait_until_ready(f"{url}/readyz", server)
    page = _get(f"{url}/").decode()
    built = re.findall(r'(?:href|src)="(/static/dist/[^"]+)"', page)
    if len(built) < 2:
        raise AssertionError(f"the page names no built files, only {built}")
    sizes = {path: len(_get(url + path)) for path in built}
    if sum(size > MIN_ASSET_BYTES for size in sizes.values()) < 2:
        raise AssertionError(f"the built front end is not in the wheel: {sizes}")
    print(f"served {sizes}")


def _wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT
    while time.monotonic() < deadline and server.poll() is None:
        try:
            _get(url)
        except OSError:  # includes HTTPError: 503 until it is ready
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} was not ready within {READY_TIMEOUT:.0f} s")


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        content: bytes = answer.read()
        return content


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
