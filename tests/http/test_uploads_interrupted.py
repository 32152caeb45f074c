"""Test that an interrupted upload to a real server leaves nothing, and blocks nothing."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from deskwire.accounts.people import people
from deskwire.kit.ids import new_id
from deskwire.tickets.files.attachments import files
from deskwire.workspaces.organizations.organizations import organization_members, organizations
from tests.fixtures.server import Server, running_server
from tests.fixtures.stream_server import wait_until

pytestmark = pytest.mark.database("sqlite")
WITHIN = 10.0  # s


def test_an_interrupted_upload_leaves_nothing(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        cookie = server.sign_up("Bo", "bo@desk.test")
        organization_id = found(server)
        files_folder = tmp_path / "files"
        with closing(socket.create_connection(("127.0.0.1", server.port))) as line:
            line.sendall(head_of(server, cookie, organization_id, 5_000_000) + b"x" * 2_000_000)
            wait_until(lambda: sum(each.stat().st_size for each in files_in(files_folder)) > 0)

        wait_until(lambda: files_in(files_folder) == [])
        assert count(server) == 0
        assert not server.log.find_lines("broke")

        whole = server.request(
            "POST",
            f"/files?workspace={organization_id}",
            b"hello",
            {"Cookie": cookie, "Origin": server.url, "x-file-name": "a.txt"},
        )
        assert whole.status == 201, whole.text
        given = server.get(json.loads(whole.text)["href"], cookie)
        assert (given.status, given.body) == (200, b"hello")
        assert given.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_an_upload_larger_than_announced_or_allowed_is_refused_while_it_arrives(
    tmp_path: Path,
) -> None:
    with running_server(tmp_path, MAX_FILE_MB="1") as server:
        cookie = server.sign_up("Bo", "bo@desk.test")
        organization_id = found(server)
        with closing(socket.create_connection(("127.0.0.1", server.port))) as line:
            line.sendall(head_of(server, cookie, organization_id, None))
            line.sendall(
                b"".join(b"%x\r\n" % 100_000 + b"x" * 100_000 + b"\r\n" for _ in range(11))
            )
            line.settimeout(WITHIN)
            assert line.recv(100).startswith(b"HTTP/1.1 413")

        assert files_in(tmp_path / "files") == []
        assert count(server) == 0


def head_of(server: Server, cookie: str, workspace: str, length: int | None) -> bytes:
    """The head of an upload; without a length it comes in pieces."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = (
        f"POST /files?workspace={workspace} HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Cookie: {cookie}",
        f"Origin: {server.url}",
        "X-File-Name: a.txt",
        "Accept: application/json",
        size,
    )
    return "\r\n".join((*lines, "", "")).encode()


def found(server: Server) -> str:
    """An organization of everyone here; its workspace."""
    id_ = new_id()

    def work(tx: Any) -> None:
        row = {"id": id_, "slug": "northwind", "name": "Northwind", "internal": False}
        tx.execute(insert(organizations).values({**row, "created_at": 0, "revision": 1}))
        member = {"organization": id_, "role": "member", "revision": 1}
        for person in tx.execute(select(people.c.id)).scalars().all():
            tx.execute(insert(organization_members).values({**member, "person": person}))

    with server.open_database() as db:
        db.write_sync(work)
    return f"org:{id_}"


def count(server: Server) -> int:
    counted = select(func.count()).select_from(files)
    with server.open_database() as db:
        return db.read_sync(lambda tx: tx.execute(counted).scalar_one())


def files_in(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
