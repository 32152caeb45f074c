"""Test that nobody but its owner can read what a server, a backup or a demo writes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.demo.run import _write_secret
from deskwire.kit.private_files import create_private_folder
from tests.fixtures.server import running_server
from tests.http.test_uploads_interrupted import found

pytestmark = pytest.mark.database("sqlite")


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    """Let new files be readable and writable by everyone, unless their creator says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_every_file_of_a_server_is_private_to_its_user(tmp_path: Path) -> None:
    created = tmp_path / "created"
    settings = {
        "DATABASE_URL": f"sqlite:///{created / 'data' / 'desk.db'}",
        "FILES_URL": str(created / "data" / "of all" / "files"),
    }
    with running_server(tmp_path, **settings) as server:  # type: ignore[arg-type]
        cookie = server.sign_up("Bo", "bo@desk.test")
        headers = {"Cookie": cookie, "Origin": server.url, "x-file-name": "a.txt"}
        path = f"/files?workspace={found(server)}"
        assert server.request("POST", path, b"hello", headers).status == 201
        server.run_command_line("backup", str(created / "data" / "copy.db"))

        names = {each.name for each in created.rglob("*")}
        assert {"desk.db", "desk.db-wal", "desk.db.lock", "copy.db", "incoming"} <= names
        assert list_readable_by_others(created) == []


def test_the_demo_folder_is_private_to_its_user(tmp_path: Path) -> None:
    _write_secret(tmp_path / "demo" / "secret", "very-secret")

    assert list_readable_by_others(tmp_path / "demo") == []


def test_an_existing_folder_keeps_its_mode_and_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o750)
    (tmp_path / "file").touch()

    create_private_folder(tmp_path / "shared" / "a" / "b")

    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o750
    assert list_readable_by_others(tmp_path / "shared" / "a") == []
    with pytest.raises(FileExistsError):
        create_private_folder(tmp_path / "file")


def list_readable_by_others(path: Path) -> list[str]:
    """List what group or others may do anything with, at `path` and below it."""
    found_paths = [path, *path.rglob("*")]
    return [str(each) for each in found_paths if stat.S_IMODE(each.stat().st_mode) & 0o077]
