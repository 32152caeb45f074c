"""Run the demo in one command: a seeded desk, simulated people, and a simulated bot beside it.

The environment, `.env.local` and `.env` override the demo's own settings.
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
from deskwire.kit.private_files import create_private_folder
from deskwire.server.open_database import OpenedDatabase, open_database
from deskwire.server.serve import bind_socket, log_setting_warnings, serve_socket
from deskwire.settings import Settings, load_settings
from deskwire.web.http.log_redaction import redact_secrets

# Environment variables that the simulator's interpreter may need.
INHERITED_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
STOP_TIMEOUT = 3.0  # s the simulator has to exit after SIGTERM


def run_demo(folder: Path) -> None:
    """Serve the demo until SIGINT or SIGTERM. Its data stays in `folder` for the next run."""
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
    configure_logging(settings.log_level, redact_secrets)
    log_setting_warnings(settings)
    server_socket = bind_socket(settings.host, settings.port)  # before anything is written
    try:
        _write_secret(folder / "secret", secret)
        opened = open_database(settings.database_url)
        _seed_database(opened, settings)
        with _running_simulator(settings, settings.local_url, folder):
            text = render_welcome(settings, folder, secret)
            agents = Agents(opened.db, folder / "portal.json", Random())  # noqa: S311  no secret
            services = {"agents": agents.run}
            serve_socket(server_socket, settings, opened, lambda: print(text, flush=True), services)
    finally:
        server_socket.close()


def _read_secret(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _write_secret(path: Path, secret: str) -> None:
    """Write the demo's own webhook secret unless there is one; readable by its owner only."""
    if not _read_secret(path):
        create_private_folder(path.parent)
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
    """Render the text printed once the demo is up; it names the secret's file, not the secret."""
    portal = [f"    {each.email:22} {each.access_summary}" for each in (*TEAM, *CLIENTS)]
    guilds = [f"    {login.email:22} {login.access_summary}" for login in DISCORD_LOGINS]
    exports = [f"DATABASE_URL={settings.database_url}", f"FILES_URL={settings.files_url}"]
    if settings.bot_secrets == [secret]:  # not overridden by the environment or a file
        exports.append(f"BOT_WEBHOOK_SECRET=$(cat {folder / 'secret'})")
    return f"""
  Deskwire is live at {settings.local_url}

  Sign in with the password  {PASSWORD}

  In the portal, where companies submit requests:

{chr(10).join(portal)}

  On Discord servers, with tickets:

{chr(10).join(guilds)}

  Simulated people work in the portal, and a simulated bot posts events from Discord every few
  seconds. Their oldest requests and tickets are deleted. Create a request yourself and Uma answers
  it. Ctrl-C stops everything; the data stays in {folder}/ (`make clean` removes it).

  The command line works on the demo too, from this folder in another terminal:

    export {" ".join(exports)}
    {_command_name()} webhook send ticket.created --guild {NORTHWIND.id} --ticket 901
"""


def _command_name() -> str:
    """Return the command that started this process, in a form people can type."""
    program = sys.argv[0]
    return program if Path(program).name == "deskwire" else "python -m deskwire"


def simulator_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the simulator's environment: what the interpreter needs, and the webhook secret."""
    variables = {name: environment[name] for name in INHERITED_VARIABLES if name in environment}
    if settings.bot_secrets:
        variables["BOT_WEBHOOK_SECRET"] = settings.bot_secrets[0]
    return variables


@contextmanager
def _running_simulator(settings: Settings, url: str, folder: Path) -> Iterator[None]:
    """Run the simulated bot as a process of its own that knows only the URL and the secret."""
    command = [
        sys.executable,
        "-m",
        "deskwire.demo.simulator",
        "--url",
        url,
        "--state",
        str(folder / "story.json"),
    ]
    environment = simulator_environment(settings, os.environ)
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
