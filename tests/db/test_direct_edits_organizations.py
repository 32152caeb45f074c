"""Test that direct edits of organizations become events, and end access that they remove."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from deskwire.direct_edits.change_log import has_pending_changes, outside_changes
from deskwire.direct_edits.processor import record_edits
from deskwire.events import channels
from deskwire.events.log import log
from deskwire.kit.errors import NotFound
from deskwire.tickets.actions import offboarding
from deskwire.tickets.visibility import read_visible_ticket_row_by_id
from deskwire.workspaces.organizations import categories, invitations, members, settings
from tests.fixtures.cast import BO, DEE, UNA, create_desk
from tests.fixtures.portal import PortalFixture, create_portal


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[PortalFixture]:
    portal = create_portal(create_desk(tmp_path))
    yield portal
    portal.desk.db.close()


def run_edit(
    portal: PortalFixture, statement: str, **values: str
) -> list[tuple[str, dict[str, Any], set[str]]]:
    """Run a statement as an operator does; return its events with their access changes."""
    db = portal.desk.db

    def run(tx: Connection) -> int:
        head = tx.execute(select(log.c.position).order_by(log.c.position.desc())).scalar() or 0
        tx.execute(text(statement), {**values, "quay": portal.organization_ids["quay"]})
        return int(head)

    head = db.write_sync(run)
    while db.write_sync(record_edits):
        pass
    rows = db.read_sync(
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
def test_an_edited_organization_makes_an_event(
    portal: PortalFixture, change: str, type_: str, *, touches: bool
) -> None:
    events = run_edit(portal, f"UPDATE organizations SET {change} WHERE id = :quay")

    [(problem_text, fields, touched)] = events
    assert (problem_text, fields["actor"], fields["organization"]) == (
        type_,
        "sql",
        portal.organization_ids["quay"],
    )
    members = {channels.user(portal.desk.person_id(each)) for each in (BO, UNA)}
    assert (members <= touched) is touches


def test_events_from_before_a_visibility_edit_are_not_replayed(portal: PortalFixture) -> None:
    crane = portal.create_request(BO, "The crane")

    run_edit(portal, "UPDATE organizations SET visibility = 'participants' WHERE id = :quay")

    with pytest.raises(NotFound):
        portal.act_as(UNA, lambda tx, actor: read_visible_ticket_row_by_id(tx, actor.viewer, crane))
    generation = "SELECT generation FROM organizations WHERE slug = 'quay'"
    assert portal.desk.db.read_sync(lambda tx: tx.execute(text(generation)).scalar()) == 2


def test_a_member_is_told_when_added_promoted_and_removed_directly(portal: PortalFixture) -> None:
    dee = portal.desk.person_id(DEE)
    here = "WHERE organization = :quay AND person = :person"

    joined = run_edit(
        portal,
        "INSERT INTO organization_members (organization, person, role) "
        "VALUES (:quay, :person, 'member')",
        person=dee,
    )
    raised = run_edit(portal, f"UPDATE organization_members SET role = 'admin' {here}", person=dee)
    gone = run_edit(portal, f"DELETE FROM organization_members {here}", person=dee)

    assert [each[0][0] for each in (joined, raised, gone)] == [
        "member.joined", "member.role_changed", "member.removed",
    ]  # fmt: skip
    assert [each[0][2] for each in (joined, raised, gone)] == [{channels.user(dee)}] * 3
    assert raised[0][1]["role"] == "admin"


def test_deleting_a_membership_row_revokes_the_members_invitations(
    portal: PortalFixture,
) -> None:
    portal.act_as(
        BO, invitations.invite, portal.organization_ids["quay"], "friend@desk.test", "member"
    )
    bo = portal.desk.person_id(BO)
    here = "organization = :quay AND person = :person"

    demoted = run_edit(
        portal, f"UPDATE organization_members SET role = 'manager' WHERE {here}", person=bo
    )
    gone = run_edit(portal, f"DELETE FROM organization_members WHERE {here}", person=bo)

    assert [each[0] for each in demoted] == ["member.role_changed"]
    assert [each[0] for each in gone] == ["member.removed", "invitation.revoked"]


def test_an_invalid_role_is_reverted(portal: PortalFixture) -> None:
    una = portal.desk.person_id(UNA)
    run_edit(portal, "UPDATE organization_members SET role = 'pope' WHERE person = :una", una=una)

    role = text("SELECT role FROM organization_members WHERE person = :una")
    assert portal.desk.db.read_sync(lambda tx: tx.execute(role, {"una": una}).scalar()) == "member"
    problem = select(outside_changes.c.problem)
    problem_text = portal.desk.db.read_sync(lambda tx: tx.execute(problem).scalar_one())
    assert "role must be one of admin" in problem_text


def test_no_action_is_taken_for_a_direct_edit(portal: PortalFixture) -> None:
    organization_id, una = portal.organization_ids["quay"], portal.desk.person_id(UNA)
    portal.act_as(
        BO, settings.update_profile, organization_id, name="The Mole", slug="mole", about=""
    )
    portal.act_as(BO, settings.set_visibility, organization_id, "participants")
    portal.act_as(BO, categories.add_category, organization_id, "Boats")
    portal.act_as(BO, members.change_member_role, organization_id, una, "manager")
    portal.act_as(BO, offboarding.remove_member, organization_id, una)
    portal.act_as(BO, settings.mark_organization_deleted, organization_id, "The Mole", ())

    assert not portal.desk.db.read_sync(has_pending_changes)
