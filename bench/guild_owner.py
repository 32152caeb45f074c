"""Create sessions for viewers of the bench's archives: the guild's owner, an admin, staff."""

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
# A channel of the owner's stream, in its first frame once it is live.
EXPECTED_CHANNEL = channels.tickets(channels.guild(GUILD))


def create_owner_session(folder: Path, url: str = "") -> str:
    """Create the owner's account in a new database in `folder`, or in the one at `url`.

    Returns the token of their session.
    """
    opened = open_database(url or f"sqlite:///{folder / DATABASE_FILE}")
    db = number_on_commit(opened.db)
    try:
        person = db.write_sync(execute_command, "people.create", {"email": OWNER_EMAIL})
        db.write_sync(execute_command, "people.link", {"email": OWNER_EMAIL, "discord": OWNER})
        now = time.time_ns() // 1_000_000
        session = db.write_sync(
            sessions.create, person["id"], user_agent="bench", client_ip=None, at=now
        )
    finally:
        opened.close()
    return session.token


def create_organization_sessions(url: str) -> tuple[str, str]:
    """Create sessions of the archive company's admin and of a staff member; return their tokens."""
    opened = open_database(url)
    db = number_on_commit(opened.db)
    try:
        now = time.time_ns() // 1_000_000
        tokens = []
        for email, role in (("admin@bench.test", None), ("team@bench.test", "support_analyst")):
            person = db.write_sync(execute_command, "people.create", {"email": email})["id"]
            if role is None:
                db.write_sync(_join_organization, person)
            else:
                db.write_sync(upsert_staff_row, person, role, now)
            session = db.write_sync(
                sessions.create, person, user_agent="bench", client_ip=None, at=now
            )
            tokens.append(session.token)
    finally:
        opened.close()
    return tokens[0], tokens[1]


def _join_organization(tx: Connection, person: str) -> None:
    row = {"organization": ORGANIZATION_SOURCE.workspace.removeprefix("org:"), "person": person}
    tx.execute(insert(organization_members).values(**row, role="admin", revision=1))


def open_live_stream(port: int, token: str) -> socket.socket:
    """Open a stream and wait until it is live."""
    stream = connect(port)
    stream.sendall(build_request("GET", STREAM_PATH, {"cookie": f"{COOKIE_NAME}={token}"}))
    read_until(stream, EXPECTED_CHANNEL.encode())
    return stream
