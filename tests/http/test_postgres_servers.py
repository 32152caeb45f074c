"""PostgreSQL end to end: two servers on one database, the shell beside them, and what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deskwire.kit import connect
from deskwire.kit.errors import Invalid
from tests.fixtures import sse
from tests.fixtures.cast import HARBOUR, MO
from tests.fixtures.command_line import Shell
from tests.fixtures.guild import Place
from tests.fixtures.postgres import PASSWORD, QUOTED, cluster
from tests.fixtures.server import SOURCES, START, Server, running

pytestmark = pytest.mark.database("postgresql")

COMMANDS = ("serve", "migrate", "migrate --check", "people list", "doctor")


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(monkeypatch, capsys, DATABASE_URL=cluster().empty(), PORT="1")


@contextmanager
def beside(first: Server, folder: Path) -> Iterator[Server]:
    """Another server on the same database, with the same secret."""
    folder.mkdir()
    with running(
        folder, DATABASE_URL=first.database_url, BOT_WEBHOOK_SECRET=first.secret
    ) as second:
        yield second


def test_what_one_server_is_told_is_heard_at_the_other(tmp_path: Path) -> None:
    with running(tmp_path) as one, beside(one, tmp_path / "two") as two:
        place = Place(one)
        cookie = place.staff()

        with sse.connect(two.port, "/api/events", cookie) as there, place.listen(cookie) as here:
            there.next()
            for number in range(1, 6):
                place.open_ticket(number, f"Told to one, {number}")
                two.tell("ticket.claimed", **claim(place, number))

            heard = [told(there) for _ in range(10)]
            assert [told(here) for _ in range(10)] == heard
        positions = [position for position, _ in heard]
        assert positions == list(range(positions[0], positions[0] + 10))


def test_when_a_server_dies_the_other_goes_on_with_its_deliveries(tmp_path: Path) -> None:
    with running(tmp_path) as one, beside(one, tmp_path / "two") as two:
        place = Place(two)
        cookie = place.staff()
        with place.listen(cookie) as stream:
            for number in range(1, 11):
                one.tell("ticket.created", **ticket(place, number))
            one.kill9()

            heard = [stream.until_type("ticket.created").told["data"] for _ in range(10)]

        assert sorted(each["ticketNumber"] for each in heard) == list(range(1, 11))


def test_a_stream_resumes_at_another_server(tmp_path: Path) -> None:
    with running(tmp_path) as one, beside(one, tmp_path / "two") as two:
        place = Place(one)
        cookie = place.staff()
        with place.listen(cookie) as stream:
            place.open_ticket(1, "Heard")
            stream.until_type("ticket.created")
            cursor = stream.cursor
        place.open_ticket(2, "Missed")

        with sse.connect(two.port, "/api/events", cookie, cursor) as back:
            assert back.next().told["verdict"] == "resumed"
            assert back.next().told["data"]["ticketNumber"] == 2


def test_rights_taken_at_one_server_silence_a_stream_at_the_other(tmp_path: Path) -> None:
    with running(tmp_path) as one, beside(one, tmp_path / "two") as two:
        place = Place(one)
        cookie = place.staff()
        with sse.connect(two.port, "/api/events", cookie) as stream:
            stream.next()
            place.unassign(place.ada)

            assert stream.until_named("revoked")


def test_the_shell_writes_beside_a_server_and_streams_hear_it_at_once(place: Place) -> None:
    cookie = place.server.move_in(place.ada, linked=False)
    with place.listen(cookie) as stream:
        place.server.command("people", "link", place.ada.email, "--discord", place.ada.discord)

        assert stream.until_type("person.changed")


def test_a_server_refuses_a_database_that_is_not_migrated_and_the_shell_migrates_it(
    shell: Shell,
) -> None:
    assert "run `deskwire migrate`" in shell.refuse("serve")
    assert "run `deskwire migrate`" in shell.refuse("people", "list")
    assert "this version needs" in shell.run("migrate", "--check").out

    assert "database at" in shell.do("migrate")
    assert "this version needs" in shell.do("migrate", "--check")
    assert "a@desk.test" in shell.do("people", "create", "a@desk.test")
    assert "a@desk.test" in shell.do("people", "list")
    assert "person.changed" not in shell.do("events", "tail", "--no-follow")
    shell.do("people", "link", "a@desk.test", "--discord", MO.discord)
    assert "person.changed" in shell.do("events", "tail", "--after", "0", "--no-follow")


def test_a_backup_is_postgresqls_own(shell: Shell, tmp_path: Path) -> None:
    shell.do("migrate")

    assert "pg_dump" in shell.refuse("backup", "copy.db")

    assert not (tmp_path / "copy.db").exists()


def test_after_a_restore_the_log_has_another_epoch(shell: Shell) -> None:
    shell.do("migrate")

    first, second = shell.do("restored"), shell.do("restored")

    assert "start every server" in first
    assert first != second


def test_the_doctor_knows_postgresql(shell: Shell) -> None:
    assert "`deskwire migrate`" in shell.run("doctor").out

    shell.do("migrate")
    said = shell.run("doctor").out

    assert "PostgreSQL" in said
    assert "log at position 0" in said
    assert "no server answers at" in said


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", ["password", "port", "form", "name"])
def test_a_password_is_in_no_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, command: str, wrong: str
) -> None:
    hidden = f"hidden-{PASSWORD}"
    quoted = f"hidden-{QUOTED}"
    place = cluster().url("nowhere").rpartition("@")[2]
    urls = {
        "password": f"postgresql://postgres:{quoted}@{place}",
        "port": f"postgresql://postgres:{quoted}@127.0.0.1:1/nowhere",
        "form": f"postgresql://postgres:{hidden}%zz@{place}",
        "name": cluster().url("nowhere"),
    }
    monkeypatch.setenv("DATABASE_URL", urls[wrong])

    said = shell.run(*command.split())

    assert said.code == 1
    for spelling in (PASSWORD, QUOTED, "hidden"):
        assert spelling not in said.out + said.err
    assert "Traceback" not in said.err


def test_a_server_writes_its_password_nowhere(tmp_path: Path) -> None:
    with running(tmp_path, LOG_LEVEL="debug") as server:
        server.open_guild(HARBOUR, "The Harbour", MO)
        server.log.wait_for("Broadcasting")
        server.stop()

        text = server.log.path.read_text()
    assert PASSWORD not in text
    assert QUOTED not in text


def test_without_the_driver_the_shell_says_how_to_get_it(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['psycopg'] = None; from deskwire.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "people", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(SOURCES), "DATABASE_URL": cluster().url("x")},
        capture_output=True,
        text=True,
        timeout=START,
    )

    assert done.returncode == 1
    assert "pip install 'deskwire[postgres]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_that_is_none_is_refused_without_repeating_it() -> None:
    with pytest.raises(Invalid, match="must look like") as refused:
        connect.connect("postgresql://desk:hidden-word%zz@host/desk")

    assert "hidden" not in str(refused.value)


def told(stream: sse.Stream) -> tuple[int, str]:
    frame = stream.next()
    return int((stream.cursor or "").rpartition("-")[2]), frame.type


def claim(place: Place, number: int) -> dict[str, object]:
    return {
        **ticket(place, number),
        "oldStatus": "OPEN",
        "newStatus": "CLAIMED",
        "actorId": place.mo.discord,
    }


def ticket(place: Place, number: int) -> dict[str, object]:
    return {
        "guildId": place.guild,
        "ticketId": 1000 + number,
        "ticketNumber": number,
        "subject": "A crane",
        "openerId": place.bo.discord,
        "openerUsername": place.bo.name,
    }
