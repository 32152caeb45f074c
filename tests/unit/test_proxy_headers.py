"""Test who the client of a forwarded request is, and what is said about proxies not trusted."""

from __future__ import annotations

import logging

import pytest
from starlette.types import Receive, Scope, Send

from deskwire.server.proxy_headers import LOG_INTERVAL, MAX_NETWORKS, ProxyHeaders, is_internal

PROXY = "10.0.0.1"
STRANGER = "81.2.69.142"
CLIENT = "81.2.69.160"


class Desk:
    """An application behind ProxyHeaders; `ask` returns the client that it sees."""

    def __init__(self, *trusted: str) -> None:
        self.time = 1000.0  # s
        self.proxy_headers = ProxyHeaders(self._app, trusted, lambda: self.time)
        self._seen = ""

    async def ask(self, peer: str | None, forwarded_for: str | None = CLIENT) -> str:
        headers = [(b"x-forwarded-for", forwarded_for.encode())] if forwarded_for else []
        client = None if peer is None else (peer, 5000)
        await self.proxy_headers(
            {"type": "http", "headers": headers, "client": client},
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
        )
        return self._seen

    async def _app(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        self._seen = scope["client"][0] if scope["client"] else ""


async def test_d10_only_a_trusted_proxy_says_who_the_client_is() -> None:
    assert await Desk(PROXY).ask(PROXY) == CLIENT
    assert await Desk("10.0.0.0/8").ask(PROXY) == CLIENT
    assert await Desk("10.0.0.2").ask(PROXY) == PROXY
    assert await Desk().ask(PROXY) == PROXY
    assert await Desk().ask(None) == ""


async def test_d10_a_proxy_on_an_internal_network_is_named_until_it_is_trusted() -> None:
    desk, trusting = Desk("10.0.0.2"), Desk(PROXY, "fd00::/64")
    for each in (desk, trusting):
        await each.ask("10.0.0.2", forwarded_for=None)
        for _ in range(2):
            await each.ask(PROXY)
        await each.ask("fd00::7")

    first, second = desk.proxy_headers.list_notes()
    assert first.startswith(f"2 requests with X-Forwarded-For came from {PROXY}, ")
    assert "TRUSTED_PROXIES" in first
    assert " came from fd00::/64, " in second
    assert desk.proxy_headers.ignored == {"internal": 3}
    assert trusting.proxy_headers.list_notes() == []
    assert trusting.proxy_headers.ignored == {}


async def test_d10_a_stranger_with_the_header_is_no_proxy_once_a_trusted_one_was_heard() -> None:
    desk = Desk(PROXY)
    await desk.ask(STRANGER)
    [note] = desk.proxy_headers.list_notes()
    assert note.startswith("1 requests with X-Forwarded-For came from public addresses")
    assert STRANGER not in note

    await desk.ask(PROXY)
    assert desk.proxy_headers.list_notes() == []
    assert desk.proxy_headers.ignored == {"public": 1}


async def test_a_request_without_the_header_says_nothing() -> None:
    desk = Desk()
    await desk.ask(PROXY, forwarded_for=None)

    assert (desk.proxy_headers.list_notes(), desk.proxy_headers.ignored) == ([], {})


async def test_the_log_names_the_peer_once_a_minute_and_never_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk()
    with caplog.at_level(logging.WARNING):
        for peer in (PROXY, STRANGER, PROXY):
            await desk.ask(peer)
        assert len(caplog.messages) == 1
        desk.time += LOG_INTERVAL
        await desk.ask(STRANGER)

    assert [each.split()[2] for each in caplog.messages] == [PROXY, STRANGER]
    assert CLIENT not in caplog.text


async def test_a_crowd_of_internal_peers_takes_no_memory() -> None:
    desk = Desk()
    for number in range(3 * MAX_NETWORKS):
        await desk.ask(f"10.0.1.{number}")

    assert len(desk.proxy_headers.list_notes()) == MAX_NETWORKS
    assert desk.proxy_headers.ignored["internal"] == 3 * MAX_NETWORKS


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:192.168.1.1", True),
        ("100.64.0.1", True),
        ("fe80::1", True),
        (STRANGER, False),
        ("2a02:6b8::1", False),
        ("testclient", False),
    ],
)
def test_an_internal_address_is_one_that_the_internet_cannot_reach(
    address: str, expected: bool
) -> None:
    assert is_internal(address) is expected
