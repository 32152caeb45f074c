"""Test what `deskwire doctor` says about a running server, from what its /readyz answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from starlette.requests import Request

from deskwire.cli.doctor import Finding, _check_server
from deskwire.settings import load_settings
from deskwire.web.pages.health import HealthPages

WENT_BACK = "the database went back in time"


@contextmanager
def answering(status: int, body: bytes) -> Iterator[int]:
    """Answer every request on a port alike."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def examine(status: int, body: bytes) -> Finding:
    with answering(status, body) as port:
        url = "postgresql://desk@127.0.0.1:1/desk"  # on SQLite the lock is asked first
        return _check_server(load_settings({"database_url": url, "port": str(port)}))


async def answer_of(problems: list[str], notes: list[str]) -> tuple[int, bytes]:
    async def find_problems() -> list[str]:
        return problems

    async def read_metrics() -> bytes:
        return b""

    response = await HealthPages(find_problems, read_metrics, lambda: notes).ready(None)  # type: ignore[arg-type]
    return response.status_code, bytes(response.body)


@pytest.mark.parametrize(
    ("problems", "notes", "is_ok", "sentence"),
    [
        ([], [], True, "answers at"),
        ([], [WENT_BACK], False, f"is ready, but {WENT_BACK}"),
        (["a", "b"], [], False, "is not ready: a; b"),
    ],
)
async def test_problems_reported_by_the_server_are_shown(
    problems: list[str], notes: list[str], is_ok: bool, sentence: str
) -> None:
    finding = examine(*await answer_of(problems, notes))

    assert finding.is_ok is is_ok
    assert sentence in finding.sentence


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", json.dumps({"notes": 3}).encode()])
def test_another_program_on_the_port_is_ignored(body: bytes) -> None:
    assert examine(200, body).is_ok
    assert examine(503, body).sentence.endswith("is not ready: 503")


async def test_notes_that_name_addresses_are_only_for_this_machine() -> None:
    async def find_problems() -> list[str]:
        return []

    async def read_metrics() -> bytes:
        return b""

    pages = HealthPages(find_problems, read_metrics, list_local_notes=lambda: ["10.0.0.1"])

    async def ask(client: str, *headers: tuple[bytes, bytes]) -> bytes:
        scope = {"type": "http", "client": (client, 1), "headers": [(b"host", b"127.0.0.1:8000")]}
        scope["headers"] = [*scope["headers"], *headers]
        return bytes((await pages.ready(Request(scope))).body)

    assert b"10.0.0.1" in await ask("127.0.0.1")
    assert b"10.0.0.1" not in await ask("127.0.0.1", (b"x-forwarded-for", b"81.2.69.160"))
    assert b"10.0.0.1" not in await ask("81.2.69.142")
