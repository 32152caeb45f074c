"""Test which requests count as sent by a program on this machine, and by which names."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from deskwire.web.local_requests import LocalRequests, parse_host_name


def ask(
    peer: str | None = "127.0.0.1", host: str | None = "localhost:8000", *more: tuple[str, str]
) -> Request:
    headers = [*([("host", host)] if host is not None else []), ("accept", "*/*"), *more]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    client = None if peer is None else (peer, 5)
    return Request({"type": "http", "method": "GET", "headers": raw, "client": client})


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1:1", "[::1]:8000"])
def test_a_program_on_this_machine_is_local(peer: str, host: str) -> None:
    assert LocalRequests().contains(ask(peer, host))


@pytest.mark.parametrize(
    "peer", [None, "", "testclient", "10.0.0.1", "203.0.113.5", "2001:db8::1", "::ffff:10.0.0.1"]
)
def test_other_requests_are_not_local(peer: str | None) -> None:
    assert not LocalRequests().contains(ask(peer))


@pytest.mark.parametrize(
    "host",
    [
        None,
        "",
        "eve.test:8000",
        "localhost.eve.test",
        "127.0.0.1.eve.test",
        "eve.test@localhost",
        "localhost:8000:1",
        "localhost, eve.test",
        "localhost/",
        "::1",
        "[::1",
        "[::1]x",
        "10.0.0.1",
    ],
)
def test_a_request_with_a_rebound_host_is_not_local(host: str | None) -> None:
    assert not LocalRequests("0.0.0.0").contains(ask("127.0.0.1", host))


def test_a_request_with_two_host_headers_is_not_local() -> None:
    assert not LocalRequests().contains(ask("127.0.0.1", "localhost", ("host", "localhost")))


@pytest.mark.parametrize(
    ("listening", "host"),
    [("Desk.lan", "desk.LAN:8000"), ("192.0.2.7", "192.0.2.7"), ("FE80::7", "[fe80::7]:8000")],
)
def test_the_address_the_server_listens_on_is_a_local_name(listening: str, host: str) -> None:
    assert LocalRequests(listening).contains(ask("127.0.0.1", host))
    assert not LocalRequests("127.0.0.1").contains(ask("127.0.0.1", host))


@pytest.mark.parametrize(
    "name",
    [
        "forwarded",
        "via",
        "cdn-loop",
        "cf-connecting-ip",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-original-forwarded-for",
        "x-original-host",
        "x-real-ip",
    ],
)
def test_a_forwarded_request_is_not_local(name: str) -> None:
    assert not LocalRequests().contains(ask("127.0.0.1", "localhost", (name, "")))


def test_a_host_header_is_read_without_its_port() -> None:
    assert parse_host_name("Desk.Test:8000") == "desk.test"
    assert parse_host_name("[2001:DB8::1]:80") == "[2001:db8::1]"
    assert parse_host_name("desk.test:http") is None
