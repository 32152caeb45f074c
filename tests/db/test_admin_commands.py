"""Test admin commands as the serving process runs them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import passwords
from deskwire.events import log
from deskwire.events.channels import STAFF_CHANNEL
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.server import admin_commands
from deskwire.workspaces.actor import Actor
from deskwire.workspaces.organizations import invitations
from deskwire.workspaces.organizations.create import create_organization
from tests.fixtures.cast import ADA, BO, DeskFixture, create_desk
from tests.fixtures.command_line import CommandLine
from tests.fixtures.databases import create_database_url


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskFixture]:
    built = create_desk(tmp_path)
    yield built
    built.db.close()


def test_a_person_with_an_account_can_be_given_a_staff_role(desk: DeskFixture) -> None:
    assert STAFF_CHANNEL not in desk.read_viewer(ADA).channels

    desk.db.write_sync(
        admin_commands.execute_command,
        "people.employ",
        {"email": ADA.email, "role": "support_analyst"},
    )

    assert STAFF_CHANNEL in desk.read_viewer(ADA).channels
    assert STAFF_CHANNEL not in desk.read_viewer(BO).channels


def test_a_new_staff_role_makes_the_persons_open_streams_reauthorize(desk: DeskFixture) -> None:
    before = desk.db.read_sync(log.read_head)

    desk.db.write_sync(
        admin_commands.execute_command, "people.employ", {"email": ADA.email, "role": "super_admin"}
    )

    entries = desk.db.read_sync(log.read_after, before, 10)
    assert [c for entry in entries for c in entry.access_changes] == [f"user:{desk.person_id(ADA)}"]


def test_a_role_given_in_the_cli_is_announced_as_on_the_page(desk: DeskFixture) -> None:
    def employ(role: str, name: str = "people.employ", email: str = ADA.email) -> list[str]:
        arguments = {"email": email, "role": role}
        before = desk.db.read_sync(log.read_head)
        desk.db.write_sync(admin_commands.execute_command, name, arguments)
        return [entry.type for entry in desk.db.read_sync(log.read_after, before, 10)]

    made = employ("support_analyst", "people.create", "new@desk.test")
    joined, again = employ("super_admin"), employ("super_admin")
    organization_row = desk.db.write_sync(
        create_organization, Actor(desk.read_viewer(BO), now()), "The Quay"
    ).id
    actor = Actor(desk.read_viewer(ADA), now())
    desk.db.write_sync(invitations.invite, actor, organization_row, "friend@desk.test", "member")
    demoted = employ("support_analyst")

    assert (made, joined, again) == (["member.joined"], ["member.joined"], [])
    assert demoted == ["member.role_changed", "invitation.revoked"]
    assert desk.db.read_sync(invitations.list_open_invitations, organization_row, now()) == []


@pytest.mark.parametrize(
    ("email", "role", "kind"),
    [("nobody@desk.test", "super_admin", NotFound), (ADA.email, "boss", Invalid)],
)
def test_an_unknown_person_or_role_is_refused(
    desk: DeskFixture, email: str, role: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        desk.db.write_sync(
            admin_commands.execute_command, "people.employ", {"email": email, "role": role}
        )


def test_creating_an_existing_person_names_the_command_for_roles(desk: DeskFixture) -> None:
    arguments = {"email": "root@desk.test", "name": None, "role": "super_admin"}
    made = desk.db.write_sync(admin_commands.execute_command, "people.create", arguments)
    desk.db.write_sync(lambda tx: passwords.store_hash(tx, made["id"], "x", 1))

    with pytest.raises(Conflict, match="deskwire people employ"):
        desk.db.write_sync(admin_commands.execute_command, "people.create", arguments)


def test_the_list_shows_staff_roles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = CommandLine(monkeypatch, capsys, DATABASE_URL=create_database_url(tmp_path))
    shell.run_ok("people", "create", "root@desk.test", "--role", "super_admin")
    shell.run_ok("people", "create", "bo@desk.test")
    output = shell.run_ok("people", "employ", "bo@desk.test", "--role", "support_analyst")
    assert "ask its owner whether they signed up" in output

    rows = shell.run_ok("people", "list").splitlines()

    assert [row.split()[0] for row in rows if "super_admin" in row] == ["root@desk.test"]
    assert [row.split()[0] for row in rows if "support_analyst" in row] == ["bo@desk.test"]
