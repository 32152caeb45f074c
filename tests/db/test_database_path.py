"""Test that the CLI refuses an unusable path for a database or its copy, and leaves no file."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest

from deskwire.events import log
from deskwire.kit import sqlite
from deskwire.kit.sqlite import SQLite
from tests.fixtures.command_line import CommandLine

COMMANDS = ("serve", "migrate", "migrate --check", "people list", "people create a@desk.test")
NAMES = ("a?mode=ro.db", "a%41.db", "a#b.db", "file:x?mode=memory", ":memory:", "ä ö.db")

pytestmark = pytest.mark.database("sqlite")  # files, and what may lie where one should be


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands run; empty."""
    for name in ("ENVIRONMENT", "HOST", "BOT_WEBHOOK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORT", "0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    """A shell whose database is `desk.db` in the folder."""
    return CommandLine(monkeypatch, capsys, DATABASE_URL="sqlite:///desk.db")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["a folder", "a text", "a device", "below a text"])
def test_a_path_that_cannot_be_a_database_is_refused_and_left_unchanged(
    kind: str,
    command: str,
    folder: Path,
    command_line: CommandLine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "a folder").mkdir()
    (folder / "a text").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "a device").symlink_to("/dev/null")
    path = {"below a text": "a text/desk.db"}.get(kind, kind)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    before = {each: each.stat().st_mtime_ns for each in folder.iterdir()}

    output = command_line.run_refused(*command.split())

    assert "a folder" in output or "a text" in output or "a device" in output
    assert "sqlalche.me" not in output
    assert {each: each.stat().st_mtime_ns for each in folder.iterdir()} == before
    assert not Path("/dev/null.lock").exists()


@pytest.mark.parametrize(
    "command",
    [
        "people link a@desk.test --discord 900000000000000001",
        "people unlink a@desk.test",
        "people retry-address a@desk.test",
        "people employ a@desk.test --role super_admin",
        "people reset-password a@desk.test",
        "guilds permit 900000000000000001 --discord 900000000000000002",
        "deliveries replay 1",
        "deliveries dismiss 1",
    ],
)
def test_in_a_folder_without_a_database_no_command_creates_one(
    command: str, folder: Path, command_line: CommandLine
) -> None:
    assert "There is no database at desk.db" in command_line.run_refused(*command.split())
    assert list(folder.iterdir()) == []


def test_creating_the_first_person_creates_a_database_and_says_so(
    command_line: CommandLine,
) -> None:
    assert "Created a new database: desk.db" in command_line.run_ok(
        "people", "create", "ada@desk.test"
    )
    assert "new database" not in command_line.run_ok("people", "create", "bo@desk.test")


@pytest.mark.parametrize(
    "command",
    ["deliveries show abc", "deliveries list --limit 0", "people link", "events tail --after -2"],
)
def test_a_mistyped_command_is_answered_with_one_sentence_that_names_help(
    command: str, command_line: CommandLine
) -> None:
    result = command_line.run(*command.split())

    assert result.exit_code == 2
    [line] = result.err.splitlines()
    assert line.startswith("deskwire: ")
    assert line.endswith("--help`.")


def test_each_settings_problem_is_on_its_own_line(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("PUBLIC_URL", "desk")
    monkeypatch.setenv("BOT_WEBHOOK_SECRET", "abc")

    lines = command_line.run_refused("serve").splitlines()

    assert len(lines) == 2
    assert all(line.startswith("deskwire: ") for line in lines)


def test_doctor_describes_what_is_at_the_database_path(
    folder: Path, command_line: CommandLine
) -> None:
    (folder / "desk.db").mkdir()

    result = command_line.run("doctor")

    assert result.exit_code == 1
    assert "desk.db is a folder" in result.out


def test_another_programs_database_is_not_migrated(folder: Path, command_line: CommandLine) -> None:
    with closing(sqlite3.connect(folder / "desk.db")) as other:
        other.execute("CREATE TABLE places (url TEXT)")
        other.commit()

    assert "belongs to another program" in command_line.run_refused("migrate")

    with closing(sqlite3.connect(folder / "desk.db")) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("places",)]


@pytest.mark.parametrize("command", [*COMMANDS, "backup copy.db", "restored"])
@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("empty", "desk.db is an empty file"),
        ("half", "desk.db is incomplete: it has "),
        ("its head", "desk.db is incomplete: it has 40 of 100 bytes"),
        ("foreign", "desk.db is not an SQLite database"),
        ("damaged", "desk.db is damaged (database disk image is malformed)"),
    ],
)
def test_a_damaged_database_is_refused_with_its_name_and_a_solution(
    kind: str, complaint: str, command: str, folder: Path, command_line: CommandLine
) -> None:
    command_line.run_ok("migrate")
    command_line.run_ok("backup", "whole.db")
    content = bytearray((folder / "whole.db").read_bytes())
    for each in folder.iterdir():
        each.unlink()
    content[4096:] = {"damaged": b"x" * len(content[4096:])}.get(kind, content[4096:])
    lengths = {"empty": 0, "half": len(content) // 2, "its head": 40}
    content = bytearray(b"PK\3\4" * 99) if kind == "foreign" else content
    (folder / "desk.db").write_bytes(content[: lengths.get(kind)])
    before = (folder / "desk.db").read_bytes()

    output = command_line.run_refused(*command.split())

    assert complaint in output
    assert "Restore a backup" in output
    assert (folder / "desk.db").read_bytes() == before
    assert not (folder / "copy.db").exists()
    assert complaint in command_line.run("doctor").out


def test_a_first_start_that_was_killed_can_be_repeated(
    folder: Path, command_line: CommandLine
) -> None:
    sqlite.create_database_file(folder / "desk.db")  # and then the process was killed

    command_line.run_ok("migrate")


def test_a_killed_backup_leaves_no_file_at_the_target(
    folder: Path, command_line: CommandLine
) -> None:
    command_line.run_ok("migrate")
    program = (
        "import os, signal, sys\n"
        "from deskwire.cli.main import main\n"
        "from deskwire.events import log\n"
        "log.begin_epoch = lambda _tx: os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.argv[1:] = ['backup', 'copy.db']\n"
        "main()\n"
    )

    killed = subprocess.run([sys.executable, "-c", program], cwd=folder, timeout=60)

    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "copy.db").exists()
    command_line.run_ok("backup", "copy.db")
    assert SQLite(folder / "copy.db").read_sync(log.read_head) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_backup_may_have_any_file_name(
    name: str, folder: Path, command_line: CommandLine
) -> None:
    command_line.run_ok("people", "create", "ada@desk.test")

    command_line.run_ok("backup", name)

    assert "exists already" in command_line.run_refused("backup", name)
    copy, own = SQLite(folder / name), SQLite(folder / "desk.db")
    rows = copy.read_sync(lambda tx: tx.exec_driver_sql("SELECT email FROM people").all())
    assert copy.read_sync(log.read_epoch) != own.read_sync(log.read_epoch)
    copy.close()
    own.close()
    assert [tuple(row) for row in rows] == [("ada@desk.test",)]
    left = {each.name for each in folder.iterdir()} - {"desk.db-wal", "desk.db-shm"}
    assert left == {"desk.db", "desk.db.lock", name}


@pytest.mark.parametrize("target", ["missing/copy.db", "/proc/copy.db", "n" * 300])
def test_a_failed_backup_is_reported_in_a_sentence(target: str, command_line: CommandLine) -> None:
    command_line.run_ok("migrate")

    assert target in command_line.run_refused("backup", target)


def test_a_partial_backup_is_removed(
    folder: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_line.run_ok("migrate")

    def break_off(tx: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(log, "begin_epoch", break_off)

    assert "disk is full" in command_line.run_refused("backup", "copy.db")
    assert {each.name for each in folder.iterdir()} <= {
        "desk.db",
        "desk.db.lock",
        "desk.db-wal",
        "desk.db-shm",
    }


def test_doctor_warns_before_the_disk_is_full(
    folder: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 100 * 1024 * 1024
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Mock(free=left))

    result = command_line.run("doctor")

    assert f"WARN  100 MiB are free for the database in {folder}: free up space" in result.out
    assert result.exit_code == 1


def test_doctor_says_to_upgrade_if_the_database_is_newer(
    folder: Path, command_line: CommandLine
) -> None:
    command_line.run_ok("migrate")
    with closing(sqlite3.connect(folder / "desk.db")) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()

    result = command_line.run("doctor")

    assert result.exit_code == 1
    assert "upgrade Deskwire" in result.out
    assert "deskwire migrate" not in result.out
    assert command_line.run("migrate", "--check").exit_code == 1
