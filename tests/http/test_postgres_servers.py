"""Test PostgreSQL end to end: two servers on one database, and the CLI beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import dropwhile, islice
from pathlib import Path

import pytest

from deskwire.kit import connect
from deskwire.kit.errors import Invalid
from tests.fixtures import sse
from tests.fixtures.cast import HARBOUR_GUILD, MO
from tests.fixtures.command_line import CommandLine
from tests.fixtures.guild import GuildFixture
from tests.fixtures.postgres import PASSWORD, QUOTED_PASSWORD, get_server
from tests.fixtures.server import SOURCES, START_TIMEOUT, Server, running_server

pytestmark = pytest.mark.database("postgresql")

COMMANDS = ("serve", "migrate", "migrate --check", "people list", "doctor")


@pytest.fixture
def command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys, DATABASE_URL=get_server().create_empty(), PORT="1")


@contextmanager
def second_server(first: Server, folder: Path) -> Iterator[Server]:
    """Another server on the same database, with the same secret."""
    folder.mkdir()
    with running_server(
        folder, DATABASE_URL=first.database_url, BOT_WEBHOOK_SECRET=first.secret
    ) as second:
        yield second


def test_a_delivery_to_one_server_reaches_streams_of_the_other(tmp_path: Path) -> None:
    with running_server(tmp_path) as one, second_server(one, tmp_path / "two") as two:
        host = GuildFixture(one)
        cookie = host.sign_in_staff()

        with (
            sse.connect(two.port, "/api/events", cookie) as there,
            host.open_stream(cookie) as here,
        ):
            there.next_frame()
            for number in range(1, 6):
                host.open_ticket(number, f"Told to one, {number}")
                two.send_event("ticket.claimed", **claim(host, number))

            # The other server may not have heard yet of what came before, and tells it first.
            events = iter(lambda: read_event(there), None)
            heard = list(islice(dropwhile(lambda each: each[1] != "ticket.created", events), 10))
            assert [read_event(here) for _ in range(10)] == heard
        positions = [position for position, _ in heard]
        assert positions == list(range(positions[0], positions[0] + 10))


def test_deliveries_of_a_dead_server_are_processed_by_the_other(tmp_path: Path) -> None:
    with running_server(tmp_path) as one, second_server(one, tmp_path / "two") as two:
        host = GuildFixture(two)
        cookie = host.sign_in_staff()
        with host.open_stream(cookie) as stream:
            for number in range(1, 11):
                one.send_event("ticket.created", **ticket(host, number))
            one.kill()

            heard = [stream.read_until_type("ticket.created").data["data"] for _ in range(10)]

        assert sorted(each["ticketNumber"] for each in heard) == list(range(1, 11))


def test_a_stream_can_resume_at_another_server(tmp_path: Path) -> None:
    with running_server(tmp_path) as one, second_server(one, tmp_path / "two") as two:
        host = GuildFixture(one)
        cookie = host.sign_in_staff()
        with host.open_stream(cookie) as stream:
            host.open_ticket(1, "Heard")
            stream.read_until_type("ticket.created")
            cursor = stream.cursor
        host.open_ticket(2, "Missed")

        with sse.connect(two.port, "/api/events", cookie, cursor) as back:
            assert back.next_frame().data["verdict"] == "resumed"
            assert back.next_frame().data["data"]["ticketNumber"] == 2


def test_access_removed_at_one_server_silences_streams_of_the_other(tmp_path: Path) -> None:
    with running_server(tmp_path) as one, second_server(one, tmp_path / "two") as two:
        host = GuildFixture(one)
        cookie = host.sign_in_staff()
        with sse.connect(two.port, "/api/events", cookie) as stream:
            stream.next_frame()
            host.unassign_role(host.ada)

            assert stream.read_until_named("revoked")


def test_a_cli_write_beside_a_server_reaches_streams_at_once(guild: GuildFixture) -> None:
    cookie = guild.server.create_account(guild.ada, linked=False)
    with guild.open_stream(cookie) as stream:
        guild.server.run_command_line(
            "people", "link", guild.ada.email, "--discord", guild.ada.discord_id
        )

        assert stream.read_until_type("person.changed")


def test_a_server_refuses_an_unmigrated_database_and_the_cli_migrates_it(
    command_line: CommandLine,
) -> None:
    assert "run `deskwire migrate`" in command_line.run_refused("serve")
    assert "run `deskwire migrate`" in command_line.run_refused("people", "list")
    assert "this version needs" in command_line.run("migrate", "--check").out

    assert " is at " in command_line.run_ok("migrate")
    assert "this version needs" in command_line.run_ok("migrate", "--check")
    assert "a@desk.test" in command_line.run_ok("people", "create", "a@desk.test")
    assert "a@desk.test" in command_line.run_ok("people", "list")
    assert "person.changed" not in command_line.run_ok("events", "tail", "--no-follow")
    command_line.run_ok("people", "link", "a@desk.test", "--discord", MO.discord_id)
    assert "person.changed" in command_line.run_ok("events", "tail", "--after", "0", "--no-follow")


def test_the_backup_command_points_to_pg_dump(command_line: CommandLine, tmp_path: Path) -> None:
    command_line.run_ok("migrate")

    assert "pg_dump" in command_line.run_refused("backup", "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_after_a_restore_the_log_has_another_epoch(command_line: CommandLine) -> None:
    command_line.run_ok("migrate")

    first, second = command_line.run_ok("restored"), command_line.run_ok("restored")

    assert "start every server" in first
    assert first != second


def test_doctor_checks_postgresql(command_line: CommandLine) -> None:
    assert "`deskwire migrate`" in command_line.run("doctor").out

    command_line.run_ok("migrate")
    output = command_line.run("doctor").out

    assert "PostgreSQL" in output
    assert "log at position 0" in output
    assert "no server answers at" in output


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", ["password", "port", "form", "name"])
def test_no_message_contains_the_database_password(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, command: str, wrong: str
) -> None:
    hidden = f"hidden-{PASSWORD}"
    quoted = f"hidden-{QUOTED_PASSWORD}"
    host = get_server().url_of("nowhere").rpartition("@")[2]
    urls = {
        "password": f"postgresql://postgres:{quoted}@{host}",
        "port": f"postgresql://postgres:{quoted}@127.0.0.1:1/nowhere",
        "form": f"postgresql://postgres:{hidden}%zz@{host}",
        "name": get_server().url_of("nowhere"),
    }
    monkeypatch.setenv("DATABASE_URL", urls[wrong])

    result = command_line.run(*command.split())

    assert result.exit_code == 1
    for spelling in (PASSWORD, QUOTED_PASSWORD, "hidden"):
        assert spelling not in result.out + result.err
    assert "Traceback" not in result.err


def test_a_server_logs_no_database_password(tmp_path: Path) -> None:
    with running_server(tmp_path, LOG_LEVEL="debug") as server:
        server.join_guild(HARBOUR_GUILD, "The Harbour", MO)
        server.log.wait_for_line("Broadcasting")
        server.stop()

        text = server.log.path.read_text()
    assert PASSWORD not in text
    assert QUOTED_PASSWORD not in text


def test_without_the_driver_the_cli_says_how_to_install_it(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['psycopg'] = None; from deskwire.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "people", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCES), "DATABASE_URL": get_server().url_of("x")},
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
    )

    assert done.returncode == 1
    assert f"{sys.executable} -m pip install 'psycopg[binary]>=3.2'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_invalid_database_url_is_refused_without_repeating_it() -> None:
    with pytest.raises(Invalid, match="must look like") as refused:
        connect.connect_database("postgresql://desk:hidden-word%zz@host/desk")

    assert "hidden" not in str(refused.value)


def read_event(stream: sse.SseClient) -> tuple[int, str]:
    frame = stream.next_frame()
    return int((stream.cursor or "").rpartition("-")[2]), frame.type


def claim(guild: GuildFixture, number: int) -> dict[str, object]:
    return {
        **ticket(guild, number),
        "oldStatus": "OPEN",
        "newStatus": "CLAIMED",
        "actorId": guild.mo.discord_id,
    }


def ticket(guild: GuildFixture, number: int) -> dict[str, object]:
    return {
        "guildId": guild.guild_id,
        "ticketId": 1000 + number,
        "ticketNumber": number,
        "subject": "A crane",
        "openerId": guild.bo.discord_id,
        "openerUsername": guild.bo.name,
    }
