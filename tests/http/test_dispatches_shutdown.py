"""Test that a server which is stopped while it sends a mail records the outcome first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread

from tests.fixtures.dispatching import read_dispatches
from tests.fixtures.server import running_server

LIMIT = 30.0  # s for what takes milliseconds on a quiet machine


class SlowMailServer(ThreadingTCPServer):
    """Speaks just enough SMTP to take a mail, and says yes to it only when `may_answer` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SmtpConnection)
        self.has_mail, self.may_answer, self.accepted = Event(), Event(), 0


class _SmtpConnection(StreamRequestHandler):
    server: SlowMailServer

    def handle(self) -> None:
        self.wfile.write(b"220 slow.test\r\n")
        for line in self.rfile:
            self.wfile.write(self._answer(line[:4].upper().strip()))

    def _answer(self, command: bytes) -> bytes:
        if command == b"QUIT":
            return b"221 bye\r\n"
        if command != b"DATA":
            return b"250 yes\r\n"
        self.wfile.write(b"354 go on\r\n")
        while self.rfile.readline() != b".\r\n":
            pass
        self.server.accepted += 1
        self.server.has_mail.set()
        self.server.may_answer.wait(LIMIT)
        return b"250 yes\r\n"


@contextmanager
def slow_mail_server() -> Iterator[SlowMailServer]:
    with SlowMailServer() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_mail_being_sent_at_sigterm_is_sent_once(tmp_path: Path) -> None:
    with slow_mail_server() as mail_server:
        with running_server(
            tmp_path,
            PUBLIC_URL="https://desk.test",
            SMTP_URL=f"smtp://127.0.0.1:{mail_server.server_address[1]}",
            MAIL_FROM="desk@desk.test",
        ) as server:
            form = "name=Ada&email=ada%40desk.test&password=correct+horse+battery+staple"
            headers = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": "https://desk.test",
            }
            assert server.request("POST", "/sign-up", form.encode(), headers).status == 303
            assert mail_server.has_mail.wait(LIMIT)

            os.kill(server.pid, signal.SIGTERM)
            server.log.wait_for_line("waiting for dispatch 1")
            mail_server.may_answer.set()
            server.stop()
            with server.open_database() as db:
                [row] = read_dispatches(db)

            assert row.state == "done"
            assert mail_server.accepted == 1
