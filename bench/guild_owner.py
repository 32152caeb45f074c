"""Somebody who looks: the owner of the bench's Discord server, signed in."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from sqlalchemy import Connection, insert

from bench.bulk_tickets import COMPANY
from bench.servers import DATABASE
from bench.sockets import connect, read_until, request
from bench.webhook_bodies import GUILD, OWNER
from deskwire.accounts import sessions
from deskwire.events import channels
from deskwire.events.bus.open_bus import number_alone
from deskwire.server.admin_commands import run
from deskwire.server.services import open_database
from deskwire.workspaces.organizations.organizations import employ, organization_members

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


def sign_in_to_company(url: str) -> tuple[str, str]:
    """In a database with an archive's company: the secrets of a session of its admin, and of one
    of the team's."""
    opened = open_database(url)
    db = number_alone(opened.db)
    try:
        now = time.time_ns() // 1_000_000
        secrets = []
        for email, role in (("admin@bench.test", None), ("team@bench.test", "support_analyst")):
            person = db.write_here(run, "people.create", {"email": email})["id"]
            if role is None:
                db.write_here(_join_company, person)
            else:
                db.write_here(employ, person, role, now)
            begun = db.write_here(sessions.begin, person, user_agent="bench", address=None, at=now)
            secrets.append(begun.token)
    finally:
        opened.close()
    return secrets[0], secrets[1]


def _join_company(tx: Connection, person: str) -> None:
    row = {"organization": COMPANY.workspace.removeprefix("org:"), "person": person}
    tx.execute(insert(organization_members).values(**row, role="admin", revision=1))


def listen(port: int, token: str) -> socket.socket:
    """A stream that is open and live."""
    stream = connect(port)
    stream.sendall(request("GET", STREAM, {"cookie": f"{COOKIE}={token}"}))
    read_until(stream, HELD.encode())
    return stream
