"""Test what the doctor reports about the mail server and the file store."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from deskwire.cli import doctor
from deskwire.cli.doctor import Finding
from deskwire.settings import load_settings

SECRET = "correct-horse"


class FakeMailServer:
    """A mail server that knows no one's password."""

    def auth(self, *_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    loop, mail_server = asyncio.get_running_loop(), FakeMailServer()

    def serve() -> SMTP:
        return SMTP(mail_server, loop=loop, authenticator=mail_server.auth, auth_require_tls=False)

    server = await loop.create_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def look_at_mail(url: str, **more: str) -> Finding:
    mail = {"smtp_url": url, "mail_from": "desk@desk.test", "public_url": "http://desk.test"}
    mail |= more
    return await asyncio.to_thread(doctor._check_mail, load_settings(mail))


def look_at_files(folder: Path) -> Finding:
    return doctor._check_files(load_settings({"files_url": str(folder)}))


async def test_a_reachable_mail_server_passes(port: int) -> None:
    assert (await look_at_mail(f"smtp://127.0.0.1:{port}")).is_ok


async def test_a_rejected_password_is_reported_but_not_shown(port: int) -> None:
    found = await look_at_mail(f"smtp://ada:{SECRET}@127.0.0.1:{port}")

    assert not found.is_ok
    assert "rejects the user or password" in found.sentence
    assert SECRET not in found.sentence


async def test_an_unreachable_mail_server_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    found = await look_at_mail(f"smtp://127.0.0.1:{port}")

    assert (found.is_ok, str(port) in found.sentence) == (False, True)


async def test_a_mail_server_without_required_tls_is_reported(port: int) -> None:
    found = await look_at_mail(f"smtp://127.0.0.1:{port}", smtp_tls="required")

    assert not found.is_ok
    assert "it offers no STARTTLS" in found.sentence


def test_no_mail_server_is_no_problem() -> None:
    assert doctor._check_mail(load_settings({})).is_ok


def test_checking_the_file_store_leaves_the_folder_unchanged(tmp_path: Path) -> None:
    there, missing = tmp_path / "there", tmp_path / "missing" / "files"
    there.mkdir()

    assert look_at_files(there).is_ok
    assert look_at_files(missing).is_ok
    assert list(tmp_path.rglob("*")) == [there]


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_an_unusable_folder_is_reported(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")

    found = look_at_files(tmp_path / name)

    assert not found.is_ok
    assert "is not writable" in found.sentence
