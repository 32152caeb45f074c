"""Start a PostgreSQL server on this machine for the contestants that use it.

It is started like the tests' server, but configured as an operator would run it: commits survive a
power cut.
"""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit, urlunsplit

from bench import processes
from deskwire.server.open_database import migrate_database

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "128MB",
    "log_min_messages": "error",
}
PROCESS_READ_ATTEMPTS = 5  # attempts to read its processes while one of them ends


@dataclass(frozen=True, slots=True)
class RunningPostgres:
    """A running PostgreSQL server."""

    admin: str
    pid: int

    def new_database(self) -> str:
        """Create a database, migrate it, and return its URL."""
        url = self.empty_database()
        migrate_database(url).close()
        return url

    def empty_database(self) -> str:
        """Create a database without tables and return its URL."""
        import psycopg

        name = f"bench_{secrets.token_hex(4)}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return urlunsplit(urlsplit(self.admin)._replace(path=f"/{name}"))

    def cpu(self) -> float:
        """Return the seconds of CPU of all its processes so far, user and system."""
        for _ in range(PROCESS_READ_ATTEMPTS):
            try:
                return processes.read_cpu(self.pid)
            except FileNotFoundError:  # one of its workers has just ended
                time.sleep(0.01)
        return processes.read_cpu(self.pid)


@cache
def find_server() -> RunningPostgres | str:
    """Start the server on the first call; return it, or the reason there is none."""
    try:
        from tests.fixtures.postgres import start_server

        started = start_server(SETTINGS)
    except ImportError as error:
        return f"no PostgreSQL: {error.name} is not installed"
    except (OSError, AssertionError) as error:
        return f"no PostgreSQL: {error}"
    return RunningPostgres(started.url, started.pid)


def count_pending(url: str) -> int:
    """Count the deliveries of a database that the worker has not processed yet."""
    import psycopg

    with closing(psycopg.connect(url, autocommit=True)) as connection:
        result = connection.execute("SELECT count(*) FROM deliveries WHERE state = 'pending'")
        row = result.fetchone()
        return int(row[0]) if row else 0
