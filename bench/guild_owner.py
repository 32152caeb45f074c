"""Somebody who looks: the owner of the bench's Discord server, signed in."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from sqlalchemy import Connection, insert

from bench.bulk_tickets import ORGANIZATION_SOURCE
from bench.servers import DATABASE_FILE
from bench.sockets import build_request, connect, read_until
from bench.webhook_bodies import GUILD, OWNER
from deskwire.accounts import sessions
from deskwire.events import channels
from deskwire.events.bus.open_bus import number_on_commit
from deskwire.server.admin_commands import execute_command
from deskwire.server.open_database import open_database
from deskwire.workspaces.organizations.organizations import organization_members
from deskwire.workspaces.organizations.staff import upsert_staff_row

OWNER_EMAIL = "owner@bench.test"
COOKIE_NAME = "deskwire"  # its name where the public URL is not https
STREAM_PATH = "/api/guilds/events"
EXPECTED_CHANNEL = channels.tickets(
    channels.guild(GUILD)
)  # what the owner's stream holds once it is live


def create_owner_session(folder: Path, url: str = "") -> str:
    """Make a database in `folder` (or use the one at `url`) with the owner's account; the secret
    of their session."""
    opened = open_database(url or f"sqlite:///{folder / DATABASE_FILE}")
    db = number_on_commit(opened.db)
    try:
        person = db.write_sync(execute_command, "people.create", {"email": OWNER_EMAIL})
        db.write_sync(execute_command, "people.link", {"email": OWNER_EMAIL, "discord": OWNER})
        now = time.time_ns() // 1_000_000
        begun = db.write_sync(
            sessions.create, person["id"], user_agent="bench", client_ip=None, at=now
        )
    finally:
        opened.close()
    return begun.token


def create_organization_sessions(url: str) -> tuple[str, str]:
    """In a database with an archive's company: the secrets of a session of its admin, and of one
    of the team's."""
    opened = open_database(url)
    db = number_on_commit(opened.db)
    try:
        now = time.time_ns() // 1_000_000
        secrets = []
        for email, role in (("admin@bench.test", None), ("team@bench.test", "support_analyst")):
            person = db.write_sync(execute_command, "people.create", {"email": email})["id"]
            if role is None:
                db.write_sync(_join_organization, person)
            else:
                db.write_sync(upsert_staff_row, person, role, now)
            begun = db.write_sync(
                sessions.create, person, user_agent="bench", client_ip=None, at=now
            )
            secrets.append(begun.token)
    finally:
        opened.close()
    return secrets[0], secrets[1]


def _join_organization(tx: Connection, person: str) -> None:
    row = {"organization": ORGANIZATION_SOURCE.workspace.removeprefix("org:"), "person": person}
    tx.execute(insert(organization_members).values(**row, role="admin", revision=1))


def open_live_stream(port: int, token: str) -> socket.socket:
    """A stream that is open and live."""
    stream = connect(port)
    stream.sendall(build_request("GET", STREAM_PATH, {"cookie": f"{COOKIE_NAME}={token}"}))
    read_until(stream, EXPECTED_CHANNEL.encode())
    return stream
