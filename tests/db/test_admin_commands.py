"""What the shell changes, as the serving process runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deskwire.accounts import passwords
from deskwire.events import log
from deskwire.events.channels import STAFF
from deskwire.kit.clock import now
from deskwire.kit.errors import Conflict, Invalid, NotFound
from deskwire.server import admin_commands
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.organizations import invitations, settings
from tests.fixtures.cast import ADA, BO, House, build
from tests.fixtures.command_line import Shell
from tests.fixtures.databases import new_url


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = build(tmp_path)
    yield built
    built.db.close()


def test_somebody_with_an_account_can_be_employed(house: House) -> None:
    assert STAFF not in house.viewer(ADA).channels

    house.db.write_here(
        admin_commands.run, "people.employ", {"email": ADA.email, "role": "support_analyst"}
    )

    assert STAFF in house.viewer(ADA).channels
    assert STAFF not in house.viewer(BO).channels


def test_open_pages_of_the_employed_ask_again_what_they_may_hear(house: House) -> None:
    before = house.db.read_here(log.read_head)

    house.db.write_here(
        admin_commands.run, "people.employ", {"email": ADA.email, "role": "super_admin"}
    )

    entries = house.db.read_here(log.read_after, before, 10)
    assert [c for entry in entries for c in entry.touches] == [f"user:{house.id_of(ADA)}"]


def test_what_the_shell_makes_of_somebody_is_told_as_on_the_page(house: House) -> None:
    def employ(role: str, name: str = "people.employ", email: str = ADA.email) -> list[str]:
        arguments = {"email": email, "role": role}
        before = house.db.read_here(log.read_head)
        house.db.write_here(admin_commands.run, name, arguments)
        return [entry.type for entry in house.db.read_here(log.read_after, before, 10)]

    made = employ("support_analyst", "people.create", "new@desk.test")
    joined, again = employ("super_admin"), employ("super_admin")
    place = house.db.write_here(settings.create, Deed(house.viewer(BO), now()), "The Quay").id
    deed = Deed(house.viewer(ADA), now())
    house.db.write_here(invitations.invite, deed, place, "friend@desk.test", "member")
    demoted = employ("support_analyst")

    assert (made, joined, again) == (["member.joined"], ["member.joined"], [])
    assert demoted == ["member.role_changed", "invitation.revoked"]
    assert house.db.read_here(invitations.read_open, place, now()) == []


@pytest.mark.parametrize(
    ("email", "role", "kind"),
    [("nobody@desk.test", "super_admin", NotFound), (ADA.email, "boss", Invalid)],
)
def test_only_somebody_known_gets_a_role_there_is(
    house: House, email: str, role: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        house.db.write_here(admin_commands.run, "people.employ", {"email": email, "role": role})


def test_making_somebody_who_is_there_names_the_way_to_employ_them(house: House) -> None:
    arguments = {"email": "root@desk.test", "name": None, "role": "super_admin"}
    made = house.db.write_here(admin_commands.run, "people.create", arguments)
    house.db.write_here(lambda tx: passwords.store(tx, made["id"], "x", 1))

    with pytest.raises(Conflict, match="deskwire people employ"):
        house.db.write_here(admin_commands.run, "people.create", arguments)


def test_the_list_shows_who_is_employed_as_what(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(monkeypatch, capsys, DATABASE_URL=new_url(tmp_path))
    shell.do("people", "create", "root@desk.test", "--role", "super_admin")
    shell.do("people", "create", "bo@desk.test")
    said = shell.do("people", "employ", "bo@desk.test", "--role", "support_analyst")
    assert "ask them whether they signed up" in said

    rows = shell.do("people", "list").splitlines()

    assert [row.split()[0] for row in rows if "super_admin" in row] == ["root@desk.test"]
    assert [row.split()[0] for row in rows if "support_analyst" in row] == ["bo@desk.test"]
