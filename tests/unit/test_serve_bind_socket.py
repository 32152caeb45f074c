"""Test that a server that cannot bind its socket says what to do, by cause."""

from __future__ import annotations

import errno
import socket
from contextlib import closing

import pytest

from deskwire.kit.errors import Conflict
from deskwire.server.serve import bind_socket


def refusal(host: str, port: int) -> str:
    with pytest.raises(Conflict) as refused:
        bind_socket(host, port)
    return str(refused.value)


def fail_with(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(_self: socket.socket, _address: object) -> None:
        raise OSError(number, "as told")

    monkeypatch.setattr(socket.socket, "bind", bind)


def test_a_port_in_use_is_reported_with_another_to_try() -> None:
    with closing(bind_socket("127.0.0.1", 0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]

        assert f"PORT={port + 1}" in refusal("127.0.0.1", port)


def test_the_highest_port_in_use_suggests_a_valid_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EADDRINUSE, monkeypatch)

    assert "PORT=65534" in refusal("127.0.0.1", 65535)


@pytest.mark.parametrize("host", ["198.51.100.7", "2001:db8::1", "a" * 70])
def test_a_foreign_host_is_not_reported_as_a_port_in_use(host: str) -> None:
    output = refusal(host, 8000)

    assert "HOST must be an address of this machine" in output
    assert "Stop the program" not in output


def test_an_unresolvable_host_is_not_reported_as_a_port_in_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def bind(_self: socket.socket, _address: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket.socket, "bind", bind)

    assert "HOST must be an address of this machine" in refusal("nonsense", 8000)


def test_a_privileged_port_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EACCES, monkeypatch)

    assert "PORT=8000" in refusal("127.0.0.1", 80)
