"""Test that a server that cannot listen says what to do, by the cause."""

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


def test_a_port_in_use_names_another() -> None:
    with closing(bind_socket("127.0.0.1", 0)) as taken:
        taken.listen()
        port = taken.getsockname()[1]

        assert f"PORT={port + 1}" in refusal("127.0.0.1", port)


def test_the_last_port_names_one_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EADDRINUSE, monkeypatch)

    assert "PORT=65534" in refusal("127.0.0.1", 65535)


@pytest.mark.parametrize("host", ["198.51.100.7", "2001:db8::1", "a" * 70])
def test_a_host_that_is_not_this_machine_is_not_a_port_in_use(host: str) -> None:
    output = refusal(host, 8000)

    assert "HOST must be an address of this machine" in output
    assert "Stop the program" not in output


def test_a_name_no_one_knows_is_not_a_port_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(_self: socket.socket, _address: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket.socket, "bind", bind)

    assert "HOST must be an address of this machine" in refusal("nonsense", 8000)


def test_a_privileged_port_is_reported_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EACCES, monkeypatch)

    assert "PORT=8000" in refusal("127.0.0.1", 80)
