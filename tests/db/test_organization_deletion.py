"""Test that a deleted organization keeps nothing, shows nothing and sends no more events."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from deskwire.direct_edits.processor import record_edits
from deskwire.events.log import log, read_after, read_head
from deskwire.events.recent_entries import list_workspace_entries
from deskwire.kit.clock import DAY, HOUR, now
from deskwire.kit.errors import Forbidden, NotFound
from deskwire.kit.ids import new_id
from deskwire.kit.store import DiskStore
from deskwire.tickets.actions import offboarding, post_message
from deskwire.tickets.actions import update as actions_update
from deskwire.tickets.files.attachments import files
from deskwire.tickets.files.cleanup import FileCleanup
from deskwire.tickets.files.uploads import Uploads, yield_once
from deskwire.tickets.queries import dashboard, list_requests
from deskwire.tickets.queries.daily_counts import compute_daily_counts, to_epoch_day
from deskwire.tickets.queries.list_requests import parse_request_filter
from deskwire.tickets.tables import participants, tickets
from deskwire.workspaces.organizations import categories, settings
from deskwire.workspaces.organizations.organizations import organization_members, organizations
from deskwire.workspaces.organizations.staff import ensure_internal_organization
from tests.fixtures.accounts import read_events
from tests.fixtures.cast import ADA, BO, CY, DEE, MO, UNA, Persona
from tests.fixtures.staffed_portal import StaffedPortalFixture


def add(staffed_portal: StaffedPortalFixture, persona: Persona, ticket: str) -> None:
    """Someone takes part in a request although they are no member."""
    row = {"ticket": ticket, "principal": staffed_portal.desk.person_id(persona), "role": "added"}
    staffed_portal.desk.db.write_sync(lambda tx: tx.execute(insert(participants).values(row)))


def test_no_one_keeps_a_request_of_a_deleted_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    ticket = staffed_portal.create_request(BO, "The mast is dark")
    add(staffed_portal, CY, ticket)
    staffed_portal.act_as(
        UNA, actions_update.add_watcher, ticket, staffed_portal.desk.person_id(UNA)
    )
    held_channels = {
        actor: f"ticket:{ticket}" in staffed_portal.desk.read_viewer(actor).channels
        for actor in (CY, UNA)
    }

    staffed_portal.act_as(
        BO, offboarding.delete_organization, staffed_portal.organization_ids["quay"], "The Quay"
    )

    touches = read_events(staffed_portal.desk.db)[-1][3]
    assert {f"user:{staffed_portal.desk.person_id(each)}" for each in (BO, CY, UNA)} <= set(touches)
    assert held_channels == {CY: True, UNA: True}
    for actor in (BO, CY, UNA):
        channels = staffed_portal.desk.read_viewer(actor).channels
        assert not any(
            staffed_portal.organization_ids["quay"] in each or ticket in each for each in channels
        )
    mine = update(organizations).where(
        organizations.c.id == staffed_portal.organization_ids["quay"]
    )
    staffed_portal.desk.db.write_sync(lambda tx: tx.execute(mine.values(deleted_at=None)))
    assert f"ticket:{ticket}" in staffed_portal.desk.read_viewer(CY).channels, "that alone took it"


def test_staff_keep_nothing_of_a_deleted_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    remaining, gone = (
        staffed_portal.create_request(CY, "A mast of ours", slug="loft"),
        staffed_portal.create_request(BO, "The mast is dark"),
    )
    staffed_portal.act_as(
        ADA, actions_update.update, gone, {"assignee": staffed_portal.desk.person_id(ADA)}
    )
    before = what_the_team_sees(staffed_portal)

    staffed_portal.act_as(
        BO, offboarding.delete_organization, staffed_portal.organization_ids["quay"], "The Quay"
    )

    assert before == {remaining, gone}
    assert what_the_team_sees(staffed_portal) == {remaining}
    with pytest.raises(NotFound):
        staffed_portal.act_as(
            ADA,
            post_message.post_message,
            gone,
            post_message.MessageInput(new_id(), "Anybody?", "note"),
        )
    with pytest.raises(NotFound):
        staffed_portal.act_as(ADA, actions_update.update, gone, {"status": "done"})


def test_recent_activity_skips_events_of_a_deleted_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    remaining, gone = (
        staffed_portal.create_request(CY, "A mast of ours", slug="loft"),
        staffed_portal.create_request(BO, "The mast is dark"),
    )
    for _ in range(25):  # more than are looked at for two
        staffed_portal.post_message(BO, gone, "Still dark")

    staffed_portal.act_as(
        BO, offboarding.delete_organization, staffed_portal.organization_ids["quay"], "The Quay"
    )

    heard = staffed_portal.desk.read_viewer(ADA).channels
    found = staffed_portal.desk.db.read_sync(list_workspace_entries, None, heard, 2)
    assert [entry.type for entry in found] == ["organization.deleted", "ticket.created"]
    assert remaining in found[1].data


def what_the_team_sees(staffed_portal: StaffedPortalFixture) -> set[str]:
    """The requests in every list of the team's; each list and number agrees, or this fails."""
    ada, at, db = (
        staffed_portal.desk.read_viewer(ADA),
        staffed_portal.desk.now,
        staffed_portal.desk.db,
    )
    quay_workspace = f"org:{staffed_portal.organization_ids['quay']}"
    lists = [
        db.read_sync(
            list_requests.read_request_results, ada, workspace, parse_request_filter(fields)
        )
        for workspace, fields in [(None, {}), (None, {"q": "mast"}), (quay_workspace, {})]
    ]
    found, searched, of_quay = ({each.ticket.id for each in one.requests} for one in lists)
    figures = db.read_sync(dashboard.read_dashboard_counts, ada, None, 0)
    history = compute_daily_counts(figures.counts, figures.daily_changes, to_epoch_day(at), 2)
    waiting = {row.id for row in db.read_sync(dashboard.list_waiting_requests, ada, None)}
    numbers = {sum(figures.counts.values()), sum(figures.open_by_assignee.values())}
    numbers |= {lists[0].total, sum(history[-1].counts.values())}
    assert found == searched == waiting
    assert numbers == {len(found)}
    assert sum(history[0].counts.values()) == 0
    assert of_quay <= found
    return found


@pytest.mark.parametrize("way", ["page", "mark", "row"])
def test_events_of_a_deleted_organization_are_never_replayed(
    staffed_portal: StaffedPortalFixture, way: str
) -> None:
    db, quay_workspace, old = (
        staffed_portal.desk.db,
        staffed_portal.organization_ids["quay"],
        staffed_portal.desk.db.read_sync(read_head),
    )
    staffed_portal.post_message(
        ADA, staffed_portal.create_request(BO, "Zauberkran"), "Geheimtext", "note"
    )
    staffed_portal.create_request(CY, "The mast", slug="loft")
    if way == "page":
        staffed_portal.act_as(BO, offboarding.delete_organization, quay_workspace, "The Quay")
    else:
        mine = organizations.c.id == quay_workspace
        mark = update(organizations).where(mine).values(deleted_at=5)
        if way == "row":
            theirs = organization_members.c.organization == quay_workspace
            db.write_sync(Connection.execute, delete(organization_members).where(theirs))
        db.write_sync(
            Connection.execute, mark if way == "mark" else delete(organizations).where(mine)
        )
        while db.write_sync(record_edits):
            pass

    entries = db.read_sync(read_after, old, 100)

    channels = {"staff", f"org:{quay_workspace}", f"org:{quay_workspace}:0"}
    heard = [each for each in entries if channels & {*each.channels}]
    assert [each.position for each in entries] == [*range(old + 1, old + 1 + len(entries))]
    assert [each.type for each in heard if each.type.startswith("ticket.")] == ["ticket.created"]
    assert heard[-1].type == "organization.deleted"
    texts = b"".join(each.frame for each in entries)
    assert (b"mast" in texts, b"Zauberkran" in texts, b"Geheimtext" in texts) == (
        True,
        False,
        False,
    )


def test_events_of_a_deleted_organization_reach_no_one(
    staffed_portal: StaffedPortalFixture,
) -> None:
    ticket, ada = (
        staffed_portal.create_request(BO, "The mast is dark"),
        staffed_portal.desk.person_id(ADA),
    )
    staffed_portal.act_as(ADA, actions_update.update, ticket, {"assignee": ada})
    staffed_portal.act_as(
        BO, offboarding.delete_organization, staffed_portal.organization_ids["quay"], "The Quay"
    )
    staffed_portal.act_as(MO, offboarding.remove_staff, ada)

    by_hand = update(tickets).where(tickets.c.id == ticket).values(subject="Dark")
    staffed_portal.desk.db.write_sync(Connection.execute, by_hand)
    staffed_portal.desk.db.write_sync(record_edits)

    chosen = select(log.c.type, log.c.channels).where(log.c.ticket == ticket)
    events = staffed_portal.desk.db.read_sync(
        lambda tx: tx.execute(chosen.order_by(log.c.position)).all()
    )
    assert tuple(events[-1]) == ("ticket.updated", "[]")
    assert "ticket.unclaimed" not in {type_ for type_, _ in events}


def test_the_internal_organization_has_no_visibility_and_cannot_be_deleted(
    staffed_portal: StaffedPortalFixture,
) -> None:
    team = staffed_portal.desk.db.write_sync(ensure_internal_organization, staffed_portal.desk.now)

    with pytest.raises(Forbidden):
        staffed_portal.act_as(MO, offboarding.delete_organization, team, "Team")
    with pytest.raises(Forbidden):
        staffed_portal.act_as(MO, settings.set_visibility, team, "participants")
    with pytest.raises(Forbidden):
        staffed_portal.act_as(MO, categories.add_category, team, "Ours")
    assert (
        staffed_portal.act_as(MO, settings.update_profile, team, name="The crew").name == "The crew"
    )


def test_of_all_staff_only_a_super_admin_deletes_an_organization(
    staffed_portal: StaffedPortalFixture,
) -> None:
    organization_id = staffed_portal.organization_ids["quay"]

    assert (
        staffed_portal.act_as(DEE, settings.update_profile, organization_id, name="The Pier").name
        == "The Pier"
    )
    for actor in (DEE, ADA):
        with pytest.raises(Forbidden, match="delete the organization"):
            staffed_portal.act_as(
                actor, offboarding.delete_organization, organization_id, "The Pier"
            )
    staffed_portal.act_as(MO, offboarding.delete_organization, organization_id, "The Pier")


async def test_files_of_deleted_requests_and_organizations_leave_the_store(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    db, store = staffed_portal.desk.db, DiskStore(tmp_path / "files")
    uploads, remaining = Uploads(db, store, 1000), dict[str, str]()
    for slug, actor in (("quay", BO), ("loft", CY)):
        for fate in ("stays", "deleted"):
            ticket = staffed_portal.create_request(actor, fate, slug=slug)
            workspace = f"org:{staffed_portal.organization_ids[slug]}"
            file = (
                await uploads.save_upload(
                    staffed_portal.desk.person_id(actor), workspace, "a", yield_once(b"x")
                )
            ).id
            sent = update(files).where(files.c.id == file).values(ticket=ticket, message=ticket)
            db.write_sync(Connection.execute, sent)
            remaining[f"{slug} {fate}"] = file
            if fate == "deleted":
                staffed_portal.act_as(DEE, actions_update.delete_request, ticket)
    staffed_portal.act_as(
        CY, offboarding.delete_organization, staffed_portal.organization_ids["loft"], "The Loft"
    )

    def rows() -> int:
        counted = select(func.count()).select_from(files)
        return db.read_sync(lambda tx: tx.execute(counted).scalar_one())

    await FileCleanup(db, store, lambda: staffed_portal.desk.now + HOUR).sweep()
    at_once = rows()
    await FileCleanup(db, store, lambda: now() + 2 * DAY).sweep()

    assert at_once == 4, "for a day a mistake can be undone by hand"
    assert bytes_in(tmp_path) == [remaining["quay stays"]]


def bytes_in(folder: Path) -> list[str]:
    return [each.name for each in folder.glob("files/??/*")]
