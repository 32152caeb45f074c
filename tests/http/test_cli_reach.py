"""Test the commands for consumers, dispatches, jobs and the audit of roles, with a server."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deskwire.dispatches.store import queue
from deskwire.kit.clock import now
from deskwire.kit.sqlite import SQLite
from tests.fixtures.cast import ADA
from tests.fixtures.dispatching import read_dispatches
from tests.fixtures.server import Server, running_server

# A process for each command; other tests run the same functions on PostgreSQL.
pytestmark = pytest.mark.database("sqlite")

LIMIT = 20.0  # s for what takes milliseconds on a quiet machine


def run_anyway(server: Server, *arguments: str) -> tuple[int, str]:
    """Return the exit code of `deskwire …`, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", *arguments],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr + done.stdout


def wait_for(find: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not find():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_audit_lists_who_was_given_a_role(server: Server) -> None:
    email = f"audited-{now()}@example.org"
    server.run_command_line("people", "create", email, "--name", "Una", "--role", "support_analyst")
    wait_for(lambda: "Una (support_analyst)" in server.run_command_line("audit", "--limit", "100"))
    assert "given" in server.run_command_line("audit", "--limit", "100")


def test_a_consumer_is_stopped_started_and_rewound(server: Server) -> None:
    assert "role-audit" in server.run_command_line("consumers", "list")
    server.run_command_line("consumers", "stop", "role-audit")
    assert "stopped" in server.run_command_line("consumers", "list")
    server.run_command_line("consumers", "start", "role-audit")
    assert "running" in server.run_command_line("consumers", "list")
    assert run_anyway(server, "consumers", "retry", "role-audit")[0] == 0
    code, said = run_anyway(server, "consumers", "rewind", "tow", "--to", "0")
    assert (code, "deskwire consumers list" in said) == (1, True)
    assert run_anyway(server, "consumers", "dismiss", "role-audit", "7")[0] == 1


def test_a_job_started_in_the_shell_is_done_by_the_server(server: Server) -> None:
    server.sign_up("Una", f"una-{now()}@example.org")  # other files' tests share the server
    assert "is done" in server.run_command_line("jobs", "start", "search-rebuild")
    assert "search-rebuild" in server.run_command_line("jobs", "list")
    code, said = run_anyway(server, "jobs", "start", "serach")
    assert (code, "replay-parked, search-rebuild" in said) == (1, True)
    assert run_anyway(server, "jobs", "pause", "999999")[0] == 1


def test_without_a_server_the_shell_does_the_job_itself(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.create_account(ADA)
    assert "is done" in server.run_command_line("jobs", "start", "search-rebuild")


def test_a_restored_copy_holds_what_it_had_not_sent(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        with server.open_database() as db:
            db.write_sync(queue, "toy", "person:1", "greet", {"say": "x"}, at=now())
        server.run_command_line("backup", str(tmp_path / "copy.db"))
        with server.open_database() as db:
            assert [row.state for row in read_dispatches(db)] == ["new"]

        copy = SQLite(tmp_path / "copy.db")
        assert [row.state for row in read_dispatches(copy)] == ["held"]
        copy.close()


def test_dispatches_are_listed_shown_and_steered(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        with server.open_database() as db:
            id_ = db.write_sync(queue, "toy", "person:1", "greet", {"say": "secret"}, at=now())
        listed = server.run_command_line("dispatches", "list")
        assert "greet, person:1" in listed
        shown = server.run_command_line("dispatches", "show", str(id_))
        assert "payload  say" in shown
        assert "secret" not in listed + shown
        server.run_command_line("dispatches", "dismiss", str(id_))
        assert "dismissed" in server.run_command_line("dispatches", "list", "--state", "dismissed")
        server.run_command_line("dispatches", "retry", str(id_))
        assert "released: 0" in server.run_command_line("dispatches", "release")
        assert "dismissed: 0" in server.run_command_line("dispatches", "dismiss", "--held")
        assert run_anyway(server, "dispatches", "dismiss")[0] == 1
        assert run_anyway(server, "dispatches", "show", "77")[0] == 1
        assert run_anyway(server, "dispatches", "list", "--state", "lost")[0] == 1
