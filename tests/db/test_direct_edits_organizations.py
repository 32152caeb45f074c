"""What somebody changes of an organization with SQL is told, and silences who loses by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from deskwire.direct_edits.change_log import is_anything, outside_changes
from deskwire.direct_edits.processor import work_off
from deskwire.events import channels
from deskwire.events.log import log
from deskwire.kit.errors import NotFound
from deskwire.tickets.visibility import read_visible_id
from deskwire.workspaces.organizations import invitations, members, settings
from tests.fixtures.cast import BO, DEE, UNA, build
from tests.fixtures.portal import Quay, found


@pytest.fixture
def quay(tmp_path: Path) -> Iterator[Quay]:
    quay = found(build(tmp_path))
    yield quay
    quay.house.db.close()


def edit(quay: Quay, statement: str, **values: str) -> list[tuple[str, dict[str, Any], set[str]]]:
    """Run a statement as an operator does; the events it was told in, with what they touch."""
    db = quay.house.db

    def run(tx: Connection) -> int:
        head = tx.execute(select(log.c.position).order_by(log.c.position.desc())).scalar() or 0
        tx.execute(text(statement), {**values, "quay": quay.ids["quay"]})
        return int(head)

    head = db.write_here(run)
    while db.write_here(work_off):
        pass
    rows = db.read_here(
        lambda tx: (
            tx.execute(select(log).where(log.c.position > head).order_by(log.c.position))
            .mappings()
            .all()
        )
    )
    return [(row["type"], json.loads(row["data"]), set(json.loads(row["touches"]))) for row in rows]


@pytest.mark.parametrize(
    ("change", "type_", "touches"),
    [
        ("name = 'The Mole'", "organization.renamed", False),
        ("about = 'Boats'", "organization.updated", False),
        ("visibility = 'participants'", "organization.visibility_changed", True),
        ("deleted_at = 1", "organization.deleted", True),
    ],
)
def test_a_changed_organization_is_told(
    quay: Quay, change: str, type_: str, *, touches: bool
) -> None:
    told = edit(quay, f"UPDATE organizations SET {change} WHERE id = :quay")

    [(said, fields, touched)] = told
    assert (said, fields["actor"], fields["organization"]) == (type_, "sql", quay.ids["quay"])
    members = {channels.user(quay.house.id_of(each)) for each in (BO, UNA)}
    assert (members <= touched) is touches


def test_what_was_told_under_the_old_mode_is_out_of_reach(quay: Quay) -> None:
    crane = quay.file(BO, "The crane")

    edit(quay, "UPDATE organizations SET visibility = 'participants' WHERE id = :quay")

    with pytest.raises(NotFound):
        quay.act(UNA, lambda tx, deed: read_visible_id(tx, deed.viewer, crane))
    generation = "SELECT generation FROM organizations WHERE slug = 'quay'"
    assert quay.house.db.read_here(lambda tx: tx.execute(text(generation)).scalar()) == 2


def test_a_member_added_given_a_role_and_taken_out_is_told_to_them(quay: Quay) -> None:
    dee = quay.house.id_of(DEE)
    here = "WHERE organization = :quay AND person = :person"

    joined = edit(
        quay,
        "INSERT INTO organization_members (organization, person, role) "
        "VALUES (:quay, :person, 'member')",
        person=dee,
    )
    raised = edit(quay, f"UPDATE organization_members SET role = 'admin' {here}", person=dee)
    gone = edit(quay, f"DELETE FROM organization_members {here}", person=dee)

    assert [each[0][0] for each in (joined, raised, gone)] == [
        "member.joined", "member.role_changed", "member.removed",
    ]  # fmt: skip
    assert [each[0][2] for each in (joined, raised, gone)] == [{channels.user(dee)}] * 3
    assert raised[0][1]["role"] == "admin"


def test_who_is_taken_out_by_hand_takes_their_invitations_along(quay: Quay) -> None:
    quay.act(BO, invitations.invite, quay.ids["quay"], "friend@desk.test", "member")
    bo = quay.house.id_of(BO)
    here = "organization = :quay AND person = :person"

    demoted = edit(
        quay, f"UPDATE organization_members SET role = 'manager' WHERE {here}", person=bo
    )
    gone = edit(quay, f"DELETE FROM organization_members WHERE {here}", person=bo)

    assert [each[0] for each in demoted] == ["member.role_changed"]
    assert [each[0] for each in gone] == ["member.removed", "invitation.revoked"]


def test_a_role_that_cannot_be_is_put_back(quay: Quay) -> None:
    una = quay.house.id_of(UNA)
    edit(quay, "UPDATE organization_members SET role = 'pope' WHERE person = :una", una=una)

    role = text("SELECT role FROM organization_members WHERE person = :una")
    assert quay.house.db.read_here(lambda tx: tx.execute(role, {"una": una}).scalar()) == "member"
    problem = select(outside_changes.c.problem)
    said = quay.house.db.read_here(lambda tx: tx.execute(problem).scalar_one())
    assert "role must be one of admin" in said


def test_no_action_of_ours_is_taken_for_an_edit(quay: Quay) -> None:
    place, una = quay.ids["quay"], quay.house.id_of(UNA)
    quay.act(BO, settings.rename, place, name="The Mole", slug="mole", about="")
    quay.act(BO, settings.set_visibility, place, "participants")
    quay.act(BO, settings.add_category, place, "Boats")
    quay.act(BO, members.change_role, place, una, "manager")
    quay.act(BO, members.remove, place, una)
    quay.act(BO, settings.delete, place, "The Mole")

    assert not quay.house.db.read_here(is_anything)
