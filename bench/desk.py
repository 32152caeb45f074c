"""Somebody who looks: the owner of the bench's Discord server, signed in."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from bench.bodies import GUILD, OWNER
from bench.servers import DATABASE
from bench.sockets import connect, read_until, request
from deskwire.accounts import sessions
from deskwire.commands import run
from deskwire.events import channels
from deskwire.events.bus.engines import number_alone
from deskwire.services import open_database

EMAIL = "owner@bench.test"
COOKIE = "deskwire"  # its name where the public URL is not https
STREAM = "/api/guilds/events"
HELD = channels.tickets(channels.guild(GUILD))  # what the owner's stream holds once it is live


def sign_in(folder: Path, url: str = "") -> str:
    """Make a database in `folder` (or use the one at `url`) with the owner's account; the secret
    of their session."""
    opened = open_database(url or f"sqlite:///{folder / DATABASE}")
    db = number_alone(opened.db)
    try:
        person = db.write_here(run, "people.create", {"email": EMAIL})
        db.write_here(run, "people.link", {"email": EMAIL, "discord": OWNER})
        now = time.time_ns() // 1_000_000
        begun = db.write_here(
            sessions.begin, person["id"], user_agent="bench", address=None, at=now
        )
    finally:
        opened.close()
    return begun.token


def listen(port: int, token: str) -> socket.socket:
    """A stream that is open and live."""
    stream = connect(port)
    stream.sendall(request("GET", STREAM, {"cookie": f"{COOKIE}={token}"}))
    read_until(stream, HELD.encode())
    return stream
