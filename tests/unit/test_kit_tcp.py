"""Test connecting by name: the first address that accepts, and no wait for a silent name server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from deskwire.dispatches import smtp
from deskwire.dispatches.smtp import SmtpTarget
from deskwire.dispatches.store import Dispatch
from deskwire.dispatches.target import Unavailable
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
    monkeypatch.setattr(smtp, "SEND_TIMEOUT", 0.1)
    server = SmtpServer(SILENT_NAME, 25, False, None, "desk@desk.test")
    content = {"recipient": "ada@desk.test", "subject": "Hello", "text": "Hello", "html": "Hello"}
    dispatch = Dispatch(1, "mail", "person:1", "link", content, 0, 0, None, "claim")

    outcome = await SmtpTarget(server).send(dispatch, lambda: None)

    assert isinstance(outcome, Unavailable)
    assert "did not answer" in outcome.reason
    # As at the end of the process; cancelling this would not end its wait.
    ending = asyncio.ensure_future(asyncio.get_running_loop().shutdown_default_executor())
    done, _ = await asyncio.wait([ending], timeout=EXIT_TIMEOUT)
    released.set()
    await ending
    assert done == {ending}
