"""PostgreSQL for the contestants that use it: a server of this run, on this machine.

It is started as the tests start theirs, but as an operator would run it: what it has confirmed
survives a power cut.
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
PROCESS_READ_ATTEMPTS = 5  # at its processes, while one of them ends


@dataclass(frozen=True, slots=True)
class RunningPostgres:
    """The server; `cpu` is what all its processes have used."""

    admin: str
    pid: int

    def new_database(self) -> str:
        """The URL of a new database as `deskwire migrate` leaves it."""
        url = self.empty_database()
        migrate_database(url).close()
        return url

    def empty_database(self) -> str:
        """The URL of a new database without a table."""
        import psycopg

        name = f"bench_{secrets.token_hex(4)}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return urlunsplit(urlsplit(self.admin)._replace(path=f"/{name}"))

    def cpu(self) -> float:
        """Seconds so far, user and system."""
        for _ in range(PROCESS_READ_ATTEMPTS):
            try:
                return processes.read_cpu(self.pid)
            except FileNotFoundError:  # one of its workers has just ended
                time.sleep(0.01)
        return processes.read_cpu(self.pid)


@cache
def find_server() -> RunningPostgres | str:
    """The server of this run, started when it is first needed; or why there is none."""
    try:
        from tests.fixtures.postgres import start_server

        started = start_server(SETTINGS)
    except ImportError as error:
        return f"no PostgreSQL: {error.name} is not installed"
    except (OSError, AssertionError) as error:
        return f"no PostgreSQL: {error}"
    return RunningPostgres(started.url, started.pid)


def count_pending(url: str) -> int:
    """Deliveries of a database that nobody has worked on yet."""
    import psycopg

    with closing(psycopg.connect(url, autocommit=True)) as connection:
        found = connection.execute("SELECT count(*) FROM deliveries WHERE state = 'pending'")
        row = found.fetchone()
        return int(row[0]) if row else 0
