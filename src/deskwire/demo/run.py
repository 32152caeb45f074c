"""The demo: a desk with a past, and a simulated bot beside it, in one command.

The demo's own values are the weakest: the environment, `.env.local` and `.env` beat them.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deskwire.accounts.passwords import Hasher
from deskwire.demo.seed import seed
from deskwire.demo.world import LOGINS, PASSWORD
from deskwire.kit.ids import new_secret
from deskwire.kit.logging import set_up
from deskwire.serve import listen, serve_on
from deskwire.services import Opened, open_database
from deskwire.settings import Settings, load
from deskwire.web.redaction import redact

STARTING = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")  # what the interpreter may need
END_WITHIN = 3.0  # s the simulator has to go by itself


def run(folder: Path) -> None:
    """Serve the demo until SIGINT or SIGTERM; its data stays in `folder` for the next time."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = load(
        {
            "database_url": f"sqlite:///{folder / 'deskwire.db'}",
            "bot_webhook_secret": _secret(folder / "secret"),
            "sign_up": "open",
            "sse_debug": True,
        }
    )
    set_up(settings.log_level, redact)
    listening = listen(settings.host, settings.port)
    try:
        opened = open_database(settings.database_url)
        _furnish(opened)
        address = _address(settings)
        _announce(address, folder)
        with _simulator(settings, address, folder):
            serve_on(listening, settings, opened)
    finally:
        listening.close()


def _secret(path: Path) -> str:
    """The demo's own webhook secret: made once, readable by its owner only."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(new_secret())
    return path.read_text()


def _furnish(opened: Opened) -> None:
    hasher = Hasher()
    try:
        asyncio.run(seed(opened.db, hasher))
    except BaseException:
        opened.close()
        raise
    finally:
        hasher.close()


def _address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def _announce(address: str, folder: Path) -> None:
    rows = [f"    {login.email:22} {login.sees}" for login in LOGINS]
    text = f"""
  Deskwire is live at {address}

  Sign in with the password  {PASSWORD}

{chr(10).join(rows)}

  A simulated Discord bot posts something every few seconds. Ctrl-C ends everything;
  data stays in {folder}/ (`make clean` removes it).
"""
    print(text, flush=True)


def bot_environment(settings: Settings, ours: Mapping[str, str]) -> dict[str, str]:
    """What the simulated bot is told: how to start, and the secret; nothing else that we know."""
    known = {name: ours[name] for name in STARTING if name in ours}
    if settings.bot_secrets:
        known["BOT_WEBHOOK_SECRET"] = settings.bot_secrets[0]
    return known


@contextmanager
def _simulator(settings: Settings, address: str, folder: Path) -> Iterator[None]:
    """The bot, as a process of its own that knows only the address and the secret."""
    command = [
        sys.executable,
        "-m",
        "deskwire.demo.simulator",
        "--url",
        address,
        "--state",
        str(folder / "story.json"),
    ]
    known = bot_environment(settings, os.environ)
    process = subprocess.Popen(command, env=known, stdin=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
