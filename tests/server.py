"""A real `deskwire serve`: its own process, socket and database, as bots and browsers meet it.

    with running(tmp_path) as server:
        cookie = server.move_in(ADA)
        server.open_guild(HARBOUR, "The Harbour", MO)

It can be stopped, killed and started again; port, database and secret stay.
"""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Condition, Thread
from typing import Any
from urllib.parse import urlencode

from deskwire.integrations.discord.sender import Answer, envelope, headers
from deskwire.integrations.discord.signature import PATH
from deskwire.kit import mail
from deskwire.kit.clock import now
from deskwire.kit.connect import connect
from deskwire.kit.db import Database
from deskwire.kit.sqlite import path_of
from deskwire.server.services import run_command
from tests.cast import Actor, Bot
from tests.databases import new_url

SOURCES = Path(__file__).parent.parent / "src"
DESKWIRE = ("-m", "deskwire")
START = 60.0  # s a server may take until it serves; it takes one, on a busy machine more
PATIENCE = 10.0  # s for an answer, or for a line of the log
# Below the ephemeral ports: a client that tries again and again while nobody listens could
# otherwise be given the very port it tries, and be connected with itself.
PORTS = range(20_000, 32_000)
PASSWORD = "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a page answered."""

    status: int
    headers: Mapping[str, str]  # names in lower case; of several the last
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Server(Bot):
    """One server over its whole life, restarts included. As a `Bot` it posts what the bot tells."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], way: tuple[str, ...] = DESKWIRE
    ) -> None:
        self.folder = folder
        self._way = way
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = environment.get("DATABASE_URL") or new_url(folder)
        self.secret = environment.get("BOT_WEBHOOK_SECRET") or secrets.token_hex(32)
        self.log = Log(folder / "server.log")
        self._process: subprocess.Popen[str] | None = None
        self._sources = count(1)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{SOURCES}{os.pathsep}{SOURCES.parent}",
            "PORT": str(self.port),
            "DATABASE_URL": self.database_url,
            "BOT_WEBHOOK_SECRET": self.secret,
            "SIGN_UP": "open",
            "FILES_URL": str(folder / "files"),
            **environment,
        }

    @property
    def database(self) -> Path:
        """The file it writes to, where that is SQLite."""
        return path_of(self.database_url)

    # Its life

    def start(self) -> None:
        """Returns once it serves."""
        process = subprocess.Popen(
            [sys.executable, *self._way, "serve"],
            cwd=self.folder,  # no .env of the developer's
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._process = process
        assert process.stderr is not None
        mark = self.log.follow(process.stderr)
        self.log.wait_for("Serving on ", after=mark, within=START)
        assert self.get("/readyz").status == 200

    def stop(self) -> tuple[float, int]:
        """End it by SIGTERM; how many seconds it took, and its exit code."""
        begun = time.monotonic()
        code = self._end(signal.SIGTERM)
        return time.monotonic() - begun, code

    def kill9(self) -> None:
        """End it without a warning."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def is_running(self) -> bool:
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def _end(self, number: int) -> int:
        process, self._process = self._process, None
        assert process is not None, "the server is not running"
        process.send_signal(number)
        try:
            return process.wait(PATIENCE)
        finally:
            process.kill()
            self.log.close()

    # What is asked of it

    def post(
        self,
        type_: str,
        data: Mapping[str, Any],
        *,
        id_: str | None = None,
        secret: str | None = None,
    ) -> Answer:
        """Post one event, signed now, on a connection of its own."""
        at = now()
        body = envelope(type_, data, at, id_)
        reply = self.request("POST", PATH, body, headers(secret or self.secret, at, body))
        return Answer(reply.status, reply.text)

    def tell(self, type_: str, **data: Any) -> None:
        """Post one event that must be taken."""
        self.told += 1
        answer = self.post(type_, data)
        assert answer.is_kept, f"{type_}: {answer}"

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> Reply:
        """One request from the loopback address `source`; redirects are not followed."""
        connection = HTTPConnection("127.0.0.1", self.port, PATIENCE, source_address=(source, 0))
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str, cookie: str = "") -> Reply:
        return self.request("GET", path, headers={"Cookie": cookie} if cookie else {})

    def submit(self, path: str, cookie: str = "", source: str = "127.0.0.1", **form: str) -> Reply:
        """Post a form as a page of this site does."""
        head = {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.url}
        head |= {"Cookie": cookie} if cookie else {}
        return self.request("POST", path, urlencode(form).encode(), head, source)

    # People

    def sign_up(self, name: str, email: str) -> str:
        """Make an account with PASSWORD; its cookie, ready for a request."""
        return self._enter("/sign-up", name=name, email=email, password=PASSWORD)

    def sign_in(self, email: str, password: str = PASSWORD) -> str:
        """Begin another session; its cookie."""
        return self._enter("/sign-in", email=email, password=password)

    def move_in(self, actor: Actor, *, linked: bool = True) -> str:
        """Give one of the cast an account, linked to their Discord user; their cookie."""
        cookie = self.sign_up(actor.name, actor.email)
        if linked:
            # What `deskwire people link` asks, without half a second for a shell of its own.
            link = {"email": actor.email, "discord": actor.discord}
            assert run_command(self.database_url, "people.link", link)
        return cookie

    def mailed(self, email: str, path: str) -> str:
        """The newest link below `path` that was mailed to an address, as a path."""
        with self.reading() as db:
            mails = [each for each in db.read_here(mail.read_newest) if each.recipient == email]
        found = re.search(rf"{path}[\w-]+", "\n".join(each.letter.text for each in mails))
        assert found is not None, f"no such link was mailed to {email}"
        return found[0]

    def _enter(self, path: str, **form: str) -> str:
        # Each from a place of its own, or the throttle would take the tests for an attack.
        place = next(self._sources)
        reply = self.submit(path, source=f"127.0.{place // 250}.{place % 250 + 2}", **form)
        assert reply.status == 303, f"{path} answered {reply.status}"
        return reply.headers["set-cookie"].partition(";")[0]

    def command(self, *arguments: str) -> str:
        """What `deskwire …` prints, in a process of its own; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "deskwire", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START,
        )
        assert done.returncode == 0, f"deskwire {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Its database, to be looked at, also while it runs."""
        db = connect(self.database_url)
        try:
            yield db
        finally:
            db.close()


class Log:
    """What the server wrote, in a file and at hand; waiting for a line is waiting, not guessing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []
        self._grew = Condition()
        self._reader: Thread | None = None

    @property
    def mark(self) -> int:
        """The place after the newest line."""
        return len(self._lines)

    def lines(self, pattern: str = "", after: int = 0) -> list[str]:
        """The lines in which the regular expression `pattern` is found."""
        return [line for line in self._lines[after:] if re.search(pattern, line)]

    def wait_for(self, pattern: str, *, after: int = 0, within: float = PATIENCE) -> str:
        """The first line after a mark in which `pattern` is found. Fails with the log's end."""
        deadline = time.monotonic() + within
        with self._grew:
            while not (found := self.lines(pattern, after)):
                left = deadline - time.monotonic()
                if not self._grew.wait(max(left, 0)):
                    end = "".join(self._lines[-20:])
                    raise AssertionError(f"no line with {pattern!r} in {within} s:\n{end}")
        return found[0]

    def follow(self, stream: Any) -> int:
        """Copy what `stream` says until it ends; the place where it begins."""
        self._reader = Thread(target=self._copy, args=(stream,), daemon=True)
        mark = self.mark
        self._reader.start()
        return mark

    def close(self) -> None:
        """Wait until the last line is here."""
        if self._reader is not None:
            self._reader.join(PATIENCE)

    def _copy(self, stream: Any) -> None:
        with stream, self.path.open("a") as file:
            for line in stream:
                file.write(line)
                file.flush()
                with self._grew:
                    self._lines.append(line)
                    self._grew.notify_all()


@contextmanager
def running(folder: Path, way: tuple[str, ...] = DESKWIRE, **environment: str) -> Iterator[Server]:
    """A server over an empty database in `folder`, with settings as capitals (MAX_BEHIND="5").

    `way`: what the interpreter runs.
    """
    server = Server(folder, environment, way)
    server.start()
    try:
        yield server
    finally:
        if server.is_running:
            server.stop()


def free_port() -> int:
    """A port of this machine nobody uses."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port found")
