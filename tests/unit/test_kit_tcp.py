"""Test connecting by name: the first address that accepts, and no wait for a silent name server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from deskwire.kit import mail_sender
from deskwire.kit.mail import Mail, MailContent
from deskwire.kit.mail_sender import MailSender
from deskwire.kit.smtp_url import SmtpServer
from deskwire.kit.tcp import connect_tcp

SILENT_NAME, TWO_ADDRESSES = "silent.desk.test", "two.desk.test"
EXIT_TIMEOUT = 15.0  # s; for what happens at once, on a busy machine too


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Have a name that is not looked up until then, and one with two addresses."""
    released, look_up = Event(), socket.getaddrinfo

    def look_up_name(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host == SILENT_NAME:
            released.wait()
        if host == TWO_ADDRESSES:  # nothing listens at the first one
            refusing = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
            return [refusing, *look_up("127.0.0.1", port, *args, **kwargs)]
        return look_up(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_name)
    monkeypatch.setattr(socket, "getfqdn", lambda: "desk.test")
    yield released
    released.set()


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


async def test_the_first_address_that_accepts_is_used(released: Event, port: int) -> None:
    with await connect_tcp(TWO_ADDRESSES, port) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


async def test_a_refused_connection_is_an_error() -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect_tcp("127.0.0.1", 1)


async def test_a_silent_name_server_does_not_delay_the_end_of_the_loop(
    released: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_sender, "SEND_TIMEOUT", 0.1)
    server = SmtpServer(SILENT_NAME, 25, False, None, "desk@desk.test")
    queue = FakeQueue(Mail(1, "ada@desk.test", MailContent("Hello", "Hello", "Hello"), 0, 1))

    assert await MailSender(queue, server).send_next()  # type: ignore[arg-type]

    assert queue.problem is not None
    assert "did not answer" in queue.problem
    # As at the end of the process; cancelling this would not end its wait.
    ending = asyncio.ensure_future(asyncio.get_running_loop().shutdown_default_executor())
    done, _ = await asyncio.wait([ending], timeout=EXIT_TIMEOUT)
    released.set()
    await ending
    assert done == {ending}


class FakeQueue:
    """The database of a sender, with one mail that is due."""

    def __init__(self, due_mail: Mail) -> None:
        self._due_mail = due_mail
        self.problem: str | None = None

    async def write(self, function: Any, *args: Any) -> Any:
        if function.__name__ == "claim_due":
            return self._due_mail
        _mail, self.problem, _at = args
        return None
