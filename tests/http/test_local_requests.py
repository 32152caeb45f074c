"""Test over real connections that a page which rebinds its name to 127.0.0.1 learns nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.integrations.discord.signature import WEBHOOK_PATH
from tests.fixtures.server import PASSWORD, PageResponse, Server, running_server
from tests.fixtures.stream_server import wait_until

FOR_THIS_MACHINE = ("/mail", "/metrics")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A desk in development that keeps its mail, without a public URL."""
    with running_server(tmp_path_factory.mktemp("local")) as running:
        yield running


@pytest.fixture
def empty_server(tmp_path: Path) -> Iterator[Server]:
    """The same without accounts and mail."""
    with running_server(tmp_path) as running:
        yield running


def ask(server: Server, path: str, host: str, **headers: str) -> PageResponse:
    return server.request("GET", path, headers={"Host": f"{host}:{server.port}", **headers})


@pytest.mark.parametrize("path", FOR_THIS_MACHINE)
def test_local_pages_open_only_for_local_host_names(server: Server, path: str) -> None:
    opened = [ask(server, path, host).status for host in ("localhost", "127.0.0.1", "[::1]")]
    rebound = [ask(server, path, host).status for host in ("eve.test", "10.0.0.1", "0.0.0.0")]

    assert (opened, rebound) == ([200] * 3, [404] * 3)


@pytest.mark.parametrize("path", FOR_THIS_MACHINE)
@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "Via", "CF-Connecting-IP"])
def test_local_pages_are_closed_to_forwarded_requests(server: Server, path: str, name: str) -> None:
    assert ask(server, path, "localhost", **{name: "127.0.0.1"}).status == 404


def test_d10_a_proxy_that_is_not_trusted_is_named_to_this_machine_only(server: Server) -> None:
    forwarded = ask(server, "/readyz", "localhost", **{"X-Forwarded-For": "81.2.69.160"})
    local, rebound = (ask(server, "/readyz", host).text for host in ("localhost", "eve.test"))

    assert "requests with X-Forwarded-For came from 127.0.0.1" in local
    assert "TRUSTED_PROXIES" in local
    assert [text for text in (forwarded.text, rebound) if "127.0.0.1" in text] == []
    line = server.log.wait_for_line("X-Forwarded-For from 127.0.0.1 is ignored")
    assert "81.2.69.160" not in line


def test_the_host_that_the_server_listens_on_is_local(tmp_path: Path) -> None:
    with running_server(tmp_path, HOST="0.0.0.0") as server:
        statuses = [ask(server, path, "0.0.0.0").status for path in FOR_THIS_MACHINE]

    assert statuses == [200, 200]


def test_a_mailed_link_never_uses_a_forged_host(
    empty_server: Server,
) -> None:
    server = empty_server
    for name, host in (("ada", "eve.test"), ("cy", f"localhost:{server.port}")):
        server.sign_up(name, f"{name}@desk.test")
        form, headers = f"email={name}%40desk.test", {"Host": host, "Content-Type": FORM}
        answer = server.request("POST", "/forgot-password", form.encode(), headers)
        assert answer.status == 303

    wait_until(lambda: server.get("/mail").text.count("/reset/") >= 2)  # mailed after the answer
    page = server.get("/mail").text
    assert "eve.test" not in page
    assert f"http://127.0.0.1:{server.port}/reset/" in page
    assert f"http://localhost:{server.port}/reset/" in page


def test_dns_rebinding_cannot_sign_in(empty_server: Server) -> None:
    server = empty_server
    server.sign_up("Bo", "bo@desk.test")
    form = f"email=bo%40desk.test&password={PASSWORD.replace(' ', '+')}".encode()

    def sign_in(host: str) -> int:
        headers = {"Host": host, "Origin": f"http://{host}", "Content-Type": FORM}
        return server.request("POST", "/sign-in", form, headers).status

    assert sign_in(f"eve.test:{server.port}") == 403
    assert sign_in(f"localhost:{server.port}") == 303


@pytest.mark.parametrize("path", ["/", "/api/me", "/static/app.js", "/nowhere", WEBHOOK_PATH])
def test_a_request_with_two_host_headers_is_refused(server: Server, path: str) -> None:
    method = "POST" if path == WEBHOOK_PATH else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        answer = connection.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"more than one Host header" in answer or b"More than one Host header" in answer
