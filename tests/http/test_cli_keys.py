"""Test `deskwire keys` and what `deskwire doctor` says about API keys, with a server."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import update

from deskwire.accounts.api_keys import api_keys
from deskwire.kit.clock import DAY, now
from tests.fixtures.http_company import HttpCompany
from tests.fixtures.server import Server

# A process for each command; other tests run the same functions on PostgreSQL.
pytestmark = pytest.mark.database("sqlite")


def run(server: Server, *arguments: str) -> tuple[int, str, str]:
    """Return the exit code of `deskwire keys …`, its standard output, and its errors."""
    done = subprocess.run(
        [sys.executable, "-m", "deskwire", *arguments],
        cwd=server.folder,
        env=server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def create_key(server: Server, *options: str, name: str = "Lighthouse") -> tuple[int, str, str]:
    return run(server, "keys", "create", "--name", name, "--scope", "read", *options)


def read_key_id(said: str) -> str:
    return said.partition("key ")[2].partition(" ")[0]


def change_key(server: Server, key_id: str, **values: Any) -> None:
    changed = update(api_keys).where(api_keys.c.id == key_id)
    with server.open_database() as db:
        values["revision"] = api_keys.c.revision + 1
        db.write_sync(lambda tx: tx.execute(changed.values(values)))


def test_a_key_from_the_shell_is_printed_once_works_and_is_revoked(server: Server) -> None:
    company = HttpCompany(server)
    options = ("--kind", "organization", "--organization", company.slug, "--role", "member")

    code, token, said = create_key(server, *options, "--expires", "2027-03-01")

    assert (code, token.startswith("dw_"), token.count("\n")) == (0, True, 1)
    headers = {"Authorization": f"Bearer {token.strip()}"}
    assert server.request("GET", "/api/key", headers=headers).status == 200
    listed = server.run_command_line("keys", "list")
    [line] = [line for line in listed.splitlines() if read_key_id(said) in line]
    assert f"Lighthouse of {company.slug};" in line
    assert "expires 2027-03-0" in line
    assert token.strip()[-20:] not in listed

    assert "Lighthouse" in server.run_command_line("keys", "revoke", read_key_id(said))
    assert server.request("GET", "/api/key", headers=headers).status == 401
    assert read_key_id(said) not in server.run_command_line("keys", "list")
    assert run(server, "keys", "revoke", read_key_id(said))[0] == 1
    assert not server.log.find_lines(token.strip()[40:80])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--kind", "organization", "--role", "member"), "needs --organization SLUG"),
        (("--kind", "desk", "--guild", "1"), "--guild does not apply to --kind desk"),
        (("--kind", "bot", "--role", "admin"), "--role does not apply to --kind bot"),
        (("--kind", "bot", "--permission", "TICKET_VIEW_ALL"), "--permission does not apply"),
        (("--kind", "organization", "--organization", "atlantis"), "no organization 'atlantis'"),
        (("--kind", "desk", "--role", "captain"), "role: Choose one of: support_analyst"),
        (("--kind", "guild", "--guild", "1"), "This server doesn’t exist"),
        (("--kind", "desk", "--role", "super_admin"), "support_analyst, operations_manager"),
        (("--kind", "fleet"), "organization, guild, desk, bot"),
        (("--kind", "bot", "--scope", "sail"), "read, write, stream"),
        (("--kind", "guild", "--guild", "1", "--permission", "SAIL"), "no permission 'SAIL'"),
        (("--kind", "bot", "--expires", "soon"), "such as 2027-03-01"),
    ],
)
def test_a_key_is_refused_with_the_reason(
    server: Server, options: tuple[str, ...], reason: str
) -> None:
    code, token, said = create_key(server, *options)
    assert (code, token) == (1, "")
    assert reason in said


def test_the_doctor_lists_keys_that_are_unused_or_expire_soon(server: Server) -> None:
    unused, soon, fine = (
        read_key_id(create_key(server, "--kind", "bot", name=name)[2])
        for name in ("Unused", "Soon", "Fine")
    )
    change_key(server, unused, created_at=now() - 91 * DAY)
    change_key(server, soon, expires_at=now() + 3 * DAY)

    _, found, _ = run(server, "doctor")

    assert f"WARN  API key {unused} (Unused) has not been used for 90 days" in found
    assert f"WARN  API key {soon} (Soon) expires within " in found
    assert fine not in found
    for each in (unused, soon, fine):
        server.run_command_line("keys", "revoke", each)
    assert unused not in run(server, "doctor")[1]
