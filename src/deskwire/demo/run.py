"""The demo: a desk with a past, simulated people in it and a bot beside it, in one command.

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
from random import Random

from deskwire.accounts.passwords import Hasher
from deskwire.demo.agents import Agents
from deskwire.demo.cast import CLIENTS, DISCORD_LOGINS, NORTHWIND, PASSWORD, TEAM
from deskwire.demo.seed import seed_demo
from deskwire.kit.ids import new_secret
from deskwire.kit.logging import configure_logging
from deskwire.kit.open_store import open_store
from deskwire.server.open_database import OpenedDatabase, open_database
from deskwire.server.serve import bind_socket, serve_socket
from deskwire.settings import Settings, load_settings
from deskwire.web.http.log_redaction import redact_paths

INHERITED_VARIABLES = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
)  # what the interpreter may need
STOP_TIMEOUT = 3.0  # s the simulator has to go by itself


def run_demo(folder: Path) -> None:
    """Serve the demo until SIGINT or SIGTERM; its data stays in `folder` for the next time."""
    secret = _read_secret(folder / "secret") or new_secret()
    settings = load_settings(
        {
            "database_url": f"sqlite:///{folder / 'deskwire.db'}",
            "files_url": str(folder / "files"),
            "bot_webhook_secret": secret,
            "sign_up": "open",
            "sse_debug": True,
        }
    )
    configure_logging(settings.log_level, redact_paths)
    listening = bind_socket(settings.host, settings.port)  # before anything is written
    try:
        _write_secret(folder / "secret", secret)
        opened = open_database(settings.database_url)
        _seed_database(opened, settings)
        with _running_simulator(settings, settings.local_url, folder):
            text = render_welcome(settings, folder, secret)
            clerks = Agents(opened.db, folder / "portal.json", Random())  # noqa: S311  no secret
            beside = {"clerks": clerks.run}
            serve_socket(listening, settings, opened, lambda: print(text, flush=True), beside)
    finally:
        listening.close()


def _read_secret(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _write_secret(path: Path, secret: str) -> None:
    """The demo's own webhook secret: made once, readable by its owner only."""
    if not _read_secret(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secret)


def _seed_database(opened: OpenedDatabase, settings: Settings) -> None:
    hasher = Hasher()
    try:
        asyncio.run(seed_demo(opened.db, hasher, open_store(settings.files_url)))
    except BaseException:
        opened.close()
        raise
    finally:
        hasher.close()


def render_welcome(settings: Settings, folder: Path, secret: str) -> str:
    """What is said once the demo can be opened; not the secret, but where it lies."""
    portal = [f"    {each.email:22} {each.access_summary}" for each in (*TEAM, *CLIENTS)]
    rows = [f"    {login.email:22} {login.access_summary}" for login in DISCORD_LOGINS]
    ours = [f"DATABASE_URL={settings.database_url}"]
    if settings.bot_secrets == [secret]:  # not another one of the environment or of a file
        ours.append(f"BOT_WEBHOOK_SECRET=$(cat {folder / 'secret'})")
    return f"""
  Deskwire is live at {settings.local_url}

  Sign in with the password  {PASSWORD}

  The portal, where companies file requests:

{chr(10).join(portal)}

  Discord servers, with tickets:

{chr(10).join(rows)}

  Simulated people work in the portal, and a simulated bot posts what happens in Discord: something
  every few seconds. The oldest requests and tickets of theirs are deleted; file one yourself, and
  Uma answers. Ctrl-C ends everything; the rest stays in {folder}/ (`make clean` removes it).

  The shell works on the demo too, from this folder in another terminal:

    export {" ".join(ours)}
    {_command_name()} webhook send ticket.created --guild {NORTHWIND.id} --ticket 901
"""


def _command_name() -> str:
    """How this process was called, if by the name people can type."""
    called = sys.argv[0]
    return called if Path(called).name == "deskwire" else "python -m deskwire"


def simulator_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """What the simulated bot is told: how to start, and the secret; nothing else that we know."""
    known = {name: environment[name] for name in INHERITED_VARIABLES if name in environment}
    if settings.bot_secrets:
        known["BOT_WEBHOOK_SECRET"] = settings.bot_secrets[0]
    return known


@contextmanager
def _running_simulator(settings: Settings, address: str, folder: Path) -> Iterator[None]:
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
    known = simulator_environment(settings, os.environ)
    process = subprocess.Popen(command, env=known, stdin=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
