"""Test the CLI with and without a running server: it does what it says, or says why not."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict
from deskwire.server.control import send_command
from tests.fixtures import sse
from tests.fixtures.cast import ADA, Persona
from tests.fixtures.guild import GuildFixture
from tests.fixtures.server import PASSWORD, Server, running_server

# A process for each command; test_postgres.py has its own.
pytestmark = pytest.mark.database("sqlite")

GUILD = "800000000000000001"


def refused(server: Server, *arguments: str) -> str:
    """What `deskwire …` says as it fails with exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", *arguments],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1, done
    assert "Traceback" not in done.stderr
    return done.stderr + done.stdout


def test_a_person_created_in_the_cli_sets_a_password_through_the_link(server: Server) -> None:
    output = server.run_command_line(
        "people", "create", "root@example.org", "--role", "super_admin"
    )
    path = output[output.index("/welcome/") :].strip()

    form = {"name": "Root", "password": PASSWORD}
    reply = server.submit_form(path, source_address="127.0.9.9", **form)

    assert reply.status == 303
    assert "root@example.org" in server.run_command_line("people", "list")
    assert path.rpartition("/")[2] not in "".join(server.log.find_lines())
    assert server.submit_form(path, source_address="127.0.9.9", **form).status == 404


def test_an_unknown_role_is_refused_with_the_list_of_roles(server: Server) -> None:
    output = refused(server, "people", "create", "x@example.org", "--role", "boss")

    assert "super_admin" in output


def test_an_event_sent_from_the_cli_reaches_an_open_stream(server: Server) -> None:
    # No one of the cast: tests of other files share the server.
    captain = Persona(f"Captain{now()} Reyes", f"9{now()}00000")
    cookie = server.create_account(captain)
    with sse.connect(server.port, "/api/events", cookie) as stream:
        stream.next_frame()
        server.run_command_line(
            "webhook", "send", "guild.joined", "--guild", GUILD, "--owner", captain.discord_id
        )
        assert stream.read_until_type("guild.joined").data["data"]["guildId"] == GUILD


def test_sending_with_a_wrong_secret_fails(server: Server) -> None:
    output = refused(server, "webhook", "send", "guild.left", "--secret", "f" * 64)

    assert "401" in output


def test_a_parked_delivery_is_listed_shown_and_replayed(server: Server) -> None:
    assert server.post_event("ticket.sneezed", {"guildId": GUILD}).status == 200
    server.log.wait_for_line("unknown event type 'ticket.sneezed'")

    listed = server.run_command_line("deliveries", "list", "--state", "parked")
    line = next(each for each in listed.splitlines() if "ticket.sneezed" in each)
    number = line.split()[0]

    shown = server.run_command_line("deliveries", "show", number)
    assert "unknown event type" in shown
    mark = server.log.end
    output = refused(server, "deliveries", "replay", number)
    server.log.wait_for_line("ticket.sneezed", after=mark)
    assert f"delivery {number} is parked: unknown event type" in output


def test_doctor_ignores_a_dismissed_delivery(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        assert server.post_event("ticket.sneezed", {"guildId": GUILD}).status == 200
        server.log.wait_for_line("unknown event type 'ticket.sneezed'")
        assert "1 parked" in refused(server, "doctor")

        server.run_command_line("deliveries", "dismiss", "1")

        assert "ok    deliveries: 1 dismissed" in server.run_command_line("doctor")
        assert "isn’t parked" in refused(server, "deliveries", "dismiss", "1")


def test_sending_an_event_that_is_parked_fails(server: Server) -> None:
    output = refused(server, "webhook", "send", "ticket.created", "--data", '{"subject": 5}')

    assert "200 Event ticket.created processed successfully" in output
    assert "is parked: subject: " in output


def test_an_invalid_discord_id_is_explained(server: Server) -> None:
    output = refused(server, "webhook", "send", "guild.left", "--guild", "abc")

    assert "parked: guildId: must be a Discord id: 1 to 20 digits, as text" in output


def test_a_processed_delivery_cannot_be_replayed(server: Server) -> None:
    server.run_command_line("webhook", "send", "guild.left", "--guild", GUILD)
    listed = server.run_command_line("deliveries", "list", "--state", "done", "--limit", "1")
    number = listed.splitlines()[1].split()[0]

    assert "neither parked nor dismissed" in refused(server, "deliveries", "replay", number)


@pytest.mark.database("sqlite")  # the lock file says it; a PostgreSQL has none
def test_the_cli_finds_the_server_without_the_port_setting(server: Server) -> None:
    environment = {name: value for name, value in server.environment.items() if name != "PORT"}
    for arguments in (("webhook", "send", "guild.left"), ("people", "create", "far@desk.test")):
        done = subprocess.run(
            [sys.executable, "-m", "deskwire", *arguments],
            cwd=server.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert done.returncode == 0, done
    assert f"{server.url}/welcome/" in done.stdout


def test_a_permission_in_an_unknown_guild_is_granted_with_a_warning(server: Server) -> None:
    arguments = ("guilds", "permit", "700000000000000123", "--discord", ADA.discord_id)
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", *arguments, "--permission", "TICKET_VIEW_ALL"],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 0
    assert "now has: TICKET_VIEW_ALL" in done.stdout
    assert "Is the ID right?" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("guilds", "permit", "nonsense<script>", "--discord", ADA.discord_id),
        ("guilds", "permit", GUILD, "--discord", "abc"),
        ("guilds", "permit", GUILD, "--discord", ADA.discord_id, "--permission", "FLY"),
        ("people", "link", "nobody@example.org", "--discord", ADA.discord_id),
        ("people", "create", "not an address"),
        ("webhook", "send", "ticket.sneezed"),
        ("webhook", "send", "guild.left", "--data", '{"x": "\\ud800"}'),
        ("webhook", "send", "guild.left", "--data", "[]"),
        ("webhook", "send", "guild.left", "--url", "http://127.0.0.1:9"),
        ("deliveries", "list", "--state", "lost"),
    ],
    ids=" ".join,
)
def test_invalid_arguments_are_refused_with_a_sentence(
    server: Server, arguments: tuple[str, ...]
) -> None:
    assert refused(server, *arguments).startswith("deskwire: ")


def test_a_number_too_large_for_the_database_is_refused(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", "deliveries", "show", "9" * 20],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_missing_delivery_is_reported_in_a_sentence(server: Server) -> None:
    assert "There is no delivery 999999" in refused(server, "deliveries", "show", "999999")


def test_the_tail_of_the_log_can_be_read_from_the_start(guild: GuildFixture) -> None:
    guild.open_ticket(1, "From the start")

    output = guild.server.run_command_line("events", "tail", "--after", "0", "--no-follow")

    assert "From the start" in output


def test_without_following_the_newest_entries_are_printed(guild: GuildFixture) -> None:
    guild.open_ticket(1, "The newest of all")

    output = guild.server.run_command_line("events", "tail", "--no-follow").splitlines()

    assert "The newest of all" in output[-1]
    assert len(output) <= 20


@pytest.mark.database("sqlite")
def test_a_backup_of_a_running_desk_is_complete_and_has_another_epoch(
    guild: GuildFixture, tmp_path: Path
) -> None:
    guild.open_ticket(1, "Before the backup")
    copy = tmp_path / "copy.db"

    guild.server.run_command_line("backup", str(copy))

    epoch = "SELECT epoch FROM log_state"
    with sqlite3.connect(copy) as there, sqlite3.connect(guild.server.database_file) as here:
        assert there.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = there.execute("SELECT subject FROM tickets WHERE subject LIKE 'Before the%'")
        assert found.fetchone()
        assert there.execute(epoch).fetchone() != here.execute(epoch).fetchone()
    there.close()
    here.close()
    assert "exists already" in refused(guild.server, "backup", str(copy))


def test_doctor_finds_no_problem_with_a_running_server(server: Server) -> None:
    output = server.run_command_line("migrate", "--check") + server.run_command_line(
        "people", "list"
    )

    assert "this version needs" in output


@pytest.mark.database("sqlite")
def test_a_second_server_on_the_same_database_is_refused(server: Server) -> None:
    environment = {**server.environment, "PORT": str(server.port + 1)}
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", "serve"],
        cwd=server.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 1
    assert "Another process is using this database" in done.stderr


def test_a_port_in_use_is_reported_in_a_sentence(server: Server, tmp_path: Path) -> None:
    environment = {**server.environment, "DATABASE_URL": f"sqlite:///{tmp_path}/other.db"}
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", "serve"],
        cwd=server.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
    )

    assert done.returncode == 1
    assert f"PORT={server.port + 1}" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_server_the_cli_writes_to_the_database(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.stop()

        server.run_command_line("people", "create", "solo@example.org")

        assert "solo@example.org" in server.run_command_line("people", "list")


def test_a_stopping_server_logs_its_webhook_responses(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.post_event("guild.left", {"guildId": GUILD})
        server.post_event("guild.left", {"guildId": GUILD}, secret="f" * 64)
        server.post_event("guild.left", {"guildId": GUILD}, secret="f" * 64)

        server.stop()

        assert server.log.find_lines("webhooks from bot: 1 answered 200")
        assert server.log.find_lines("webhooks from bot: 2 answered 401")


@pytest.mark.database("sqlite")
def test_a_local_program_without_the_secret_cannot_give_commands(server: Server) -> None:
    lock = server.database_file.with_name(server.database_file.name + ".lock")
    assert lock.stat().st_mode & 0o077 == 0
    port = int(lock.read_text().split('"port": ')[1].split(",")[0])

    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(b'{"secret": "guess", "command": "people.list", "arguments": {}}\n')
        assert b"wrong secret" in connection.makefile("rb").readline()


@pytest.mark.database("sqlite")
def test_a_command_the_server_does_not_know_is_refused(server: Server) -> None:
    with pytest.raises(Conflict, match="has no command"):
        send_command(server.database_file, "people.vanish", {})
