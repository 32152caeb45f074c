"""Run every example of docs/api.md against a real server, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from deskwire.workspaces.guilds.permissions import DiscordPermission
from tests.contracts.source_files import read_file
from tests.fixtures.cast import BO, HARBOUR_GUILD, MO
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import PASSWORD, Server, running_server
from tests.fixtures.server_keys import create_guild_key, create_organization_key

pytestmark = pytest.mark.database("sqlite")  # the examples speak HTTP

PAGE = "docs/api.md"
TIMEOUT = 60  # s for the examples of a language; they take three
SLUG_ON_PAGE = "harbor-analytics"
PLACEHOLDERS = "DESK=https://desk.example.org\nKEY=dw_0190c5f0…\n"  # what readers replace


def examples(language: str) -> list[str]:
    """Return the examples of the page in a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", read_file(PAGE), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("docs")) as started:
        yield started


@pytest.fixture(scope="module")
def environment(server: Server) -> dict[str, str]:
    """The variables of the examples, and an organization and a Discord server to try them on."""
    company = HttpCompany(server)
    server.join_guild(HARBOUR_GUILD, "The Harbour", MO)
    server.open_ticket(1, "The crane is stuck", BO)
    return {
        "PATH": os.environ["PATH"],
        "DESK": server.url,
        "KEY": create_organization_key(server, company.slug),
        "GUILD": HARBOUR_GUILD,
        "GUILD_KEY": create_guild_key(
            server, HARBOUR_GUILD, int(DiscordPermission.TICKET_VIEW_ALL)
        ),
        "EMAIL": company.people[0].email,
        "PASSWORD": PASSWORD,
        "SLUG": company.slug,
    }


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run a command, which must succeed; return its output."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_page_has_no_example_that_is_not_run() -> None:
    languages = re.findall(r"^```(\w*)$", read_file(PAGE), re.MULTILINE)[::2]

    assert set(languages) == {"sh", "python", "js", "json"}
    assert (len(examples("python")), len(examples("js"))) == (1, 2)
    assert len(languages) - languages.count("json") == len(examples("sh")) + 3


def test_the_commands_work(tmp_path: Path, environment: dict[str, str]) -> None:
    placeholders, *commands = examples("sh")
    assert placeholders == PLACEHOLDERS
    script = "set -eu\n" + "\necho\n".join(commands)

    printed = run(
        ["bash", "-c", script.replace(SLUG_ON_PAGE, environment["SLUG"])], tmp_path, environment
    )

    expected = (
        '"scopes":["read","write","stream"]',
        '"subject":"The lamp in the hall is dark"',
        '"text":"Still dark."',
        '"name":"lamp.txt"',
        f'"slug":"{environment["SLUG"]}"',
        '"subject":"The crane is stuck"',
        "idempotency-replayed: true",
        '"type":"connected"',
        '"text":"I see it too."',
    )
    assert [each for each in expected if each not in printed] == []
    assert printed.count("idempotency-replayed: true") == 1


def test_the_python_client_files_updates_and_lists(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "client.py").write_text(examples("python")[0])

    printed = run([sys.executable, "client.py"], tmp_path, environment)

    assert re.search(r"^\d{4}-R-\d{6} new The pump in the hall leaks$", printed, re.MULTILINE)


def test_the_reader_of_streams_continues_after_a_restart(
    tmp_path: Path, server: Server, environment: dict[str, str]
) -> None:
    reader, script = examples("js")
    (tmp_path / "listen.mjs").write_text(reader)
    (tmp_path / "main.mjs").write_text(script)
    with subprocess.Popen(
        ["node", "main.mjs"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as listening:
        assert listening.stdout is not None
        limit = Timer(TIMEOUT, listening.kill)  # or a reader that hears nothing would wait for ever
        limit.start()
        every_line = iter(listening.stdout.readline, "")
        # The creation of the key itself is numbered before the stream opens, or after.
        lines = (line for line in every_line if line != "key.created \n")
        try:
            assert next(lines, "ended") == "connected \n"
            file_request(server, environment, "Before the restart")
            assert next(lines, "ended") == "ticket.created Before the restart\n"
            server.stop()
            server.start()
            file_request(server, environment, "After the restart")
            rest = [next(lines, "ended"), next(lines, "ended")]
        finally:
            limit.cancel()
            listening.kill()

    assert sorted(rest) == ["connected \n", "ticket.created After the restart\n"]


def file_request(server: Server, environment: dict[str, str], subject: str) -> None:
    headers = {
        "Authorization": f"Bearer {environment['KEY']}",
        "Content-Type": "application/json",
    }
    body = f'{{"subject": "{subject}", "text": "See above."}}'.encode()
    assert server.request("POST", "/api/requests", body, headers).status == 201
