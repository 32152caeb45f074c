"""An organization that was deleted keeps nothing, shows nothing and is told of no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, insert, select, update

from deskwire.direct_edits.processor import work_off
from deskwire.events import log
from deskwire.events.log import read_after, read_head
from deskwire.kit.clock import DAY, HOUR, now
from deskwire.kit.errors import Forbidden, NotFound
from deskwire.kit.ids import new_id
from deskwire.kit.store import Disk
from deskwire.tickets.actions import offboarding, post_message
from deskwire.tickets.actions import update as actions_update
from deskwire.tickets.files.attachments import files
from deskwire.tickets.files.cleanup import Keeper
from deskwire.tickets.files.uploads import Uploads, once
from deskwire.tickets.queries import dashboard, list_requests
from deskwire.tickets.queries.daily_counts import day_of, history_of
from deskwire.tickets.queries.list_requests import parse_wish
from deskwire.tickets.tables import participants, tickets
from deskwire.workspaces.organizations import settings
from deskwire.workspaces.organizations.organizations import (
    ensure_internal,
    organization_members,
    organizations,
)
from tests.fixtures.accounts import events_of
from tests.fixtures.cast import ADA, BO, CY, DEE, MO, UNA, Actor
from tests.fixtures.staffed_portal import Office


def add(office: Office, actor: Actor, ticket: str) -> None:
    """Somebody takes part in a request although they are no member."""
    row = {"ticket": ticket, "principal": office.house.id_of(actor), "role": "added"}
    office.house.db.write_here(lambda tx: tx.execute(insert(participants).values(row)))


def test_of_a_deleted_organization_nobody_keeps_a_request(office: Office) -> None:
    ticket = office.file(BO, "The mast is dark")
    add(office, CY, ticket)
    office.act(UNA, actions_update.watch, ticket, office.house.id_of(UNA))
    held = {actor: f"ticket:{ticket}" in office.house.viewer(actor).channels for actor in (CY, UNA)}

    office.act(BO, offboarding.delete_organization, office.ids["quay"], "The Quay")

    touches = events_of(office.house.db)[-1][3]
    assert {f"user:{office.house.id_of(each)}" for each in (BO, CY, UNA)} <= set(touches)
    assert held == {CY: True, UNA: True}
    for actor in (BO, CY, UNA):
        channels = office.house.viewer(actor).channels
        assert not any(office.ids["quay"] in each or ticket in each for each in channels)
    mine = update(organizations).where(organizations.c.id == office.ids["quay"])
    office.house.db.write_here(lambda tx: tx.execute(mine.values(deleted_at=None)))
    assert f"ticket:{ticket}" in office.house.viewer(CY).channels, "that alone took it"


def test_the_team_keeps_nothing_of_a_deleted_organization_either(office: Office) -> None:
    kept, gone = office.file(CY, "A mast of ours", at="loft"), office.file(BO, "The mast is dark")
    office.act(ADA, actions_update.assign, gone, office.house.id_of(ADA))
    before = what_the_team_sees(office)

    office.act(BO, offboarding.delete_organization, office.ids["quay"], "The Quay")

    assert before == {kept, gone}
    assert what_the_team_sees(office) == {kept}
    with pytest.raises(NotFound):
        office.act(ADA, post_message.say, gone, post_message.Written(new_id(), "Anybody?", "note"))
    with pytest.raises(NotFound):
        office.act(ADA, actions_update.move, gone, "done")


def test_what_was_told_of_it_leaves_room_in_recent_activity_for_the_others(office: Office) -> None:
    kept, gone = office.file(CY, "A mast of ours", at="loft"), office.file(BO, "The mast is dark")
    for _ in range(25):  # more than are looked at for two
        office.say(BO, gone, "Still dark")

    office.act(BO, offboarding.delete_organization, office.ids["quay"], "The Quay")

    heard = office.house.viewer(ADA).channels
    found = office.house.db.read_here(log.read_of_workspace, None, heard, 2)
    assert [entry.type for entry in found] == ["organization.deleted", "ticket.created"]
    assert kept in found[1].data


def what_the_team_sees(office: Office) -> set[str]:
    """The requests in every list of the team's; each list and number agrees, or this fails."""
    ada, at, db = office.house.viewer(ADA), office.house.at, office.house.db
    quay = f"org:{office.ids['quay']}"
    lists = [
        db.read_here(list_requests.find, ada, workspace, parse_wish(fields))
        for workspace, fields in [(None, {}), (None, {"q": "mast"}), (quay, {})]
    ]
    found, searched, of_quay = ({each.ticket.id for each in one.requests} for one in lists)
    figures = db.read_here(dashboard.read_figures, ada, None, 0)
    history = history_of(figures.counts, figures.changes, day_of(at), 2)
    waiting = {row.id for row in db.read_here(dashboard.read_waiting, ada, None)}
    numbers = {sum(figures.counts.values()), sum(figures.assigned.values())}
    numbers |= {lists[0].total, sum(history[-1].counts.values())}
    assert found == searched == waiting
    assert numbers == {len(found)}
    assert sum(history[0].counts.values()) == 0
    assert of_quay <= found
    return found


@pytest.mark.parametrize("way", ["page", "mark", "row"])
def test_what_was_told_in_a_deleted_organization_is_told_to_nobody_again(
    office: Office, way: str
) -> None:
    db, quay, old = office.house.db, office.ids["quay"], office.house.db.read_here(read_head)
    office.say(ADA, office.file(BO, "Zauberkran"), "Geheimtext", "note")
    office.file(CY, "The mast", at="loft")
    if way == "page":
        office.act(BO, offboarding.delete_organization, quay, "The Quay")
    else:
        mine = organizations.c.id == quay
        mark = update(organizations).where(mine).values(deleted_at=5)
        if way == "row":
            theirs = organization_members.c.organization == quay
            db.write_here(Connection.execute, delete(organization_members).where(theirs))
        db.write_here(
            Connection.execute, mark if way == "mark" else delete(organizations).where(mine)
        )
        while db.write_here(work_off):
            pass

    entries = db.read_here(read_after, old, 100)

    held = {"staff", f"org:{quay}", f"org:{quay}:0"}
    heard = [each for each in entries if held & {*each.channels}]
    assert [each.position for each in entries] == [*range(old + 1, old + 1 + len(entries))]
    assert [each.type for each in heard if each.type.startswith("ticket.")] == ["ticket.created"]
    assert heard[-1].type == "organization.deleted"
    texts = b"".join(each.frame for each in entries)
    assert (b"mast" in texts, b"Zauberkran" in texts, b"Geheimtext" in texts) == (
        True,
        False,
        False,
    )


def test_what_happens_in_a_deleted_organization_is_told_to_nobody(office: Office) -> None:
    ticket, ada = office.file(BO, "The mast is dark"), office.house.id_of(ADA)
    office.act(ADA, actions_update.assign, ticket, ada)
    office.act(BO, offboarding.delete_organization, office.ids["quay"], "The Quay")
    office.act(MO, offboarding.take_role, ada)

    by_hand = update(tickets).where(tickets.c.id == ticket).values(subject="Dark")
    office.house.db.write_here(Connection.execute, by_hand)
    office.house.db.write_here(work_off)

    told = [
        (type_, heard_by)
        for type_, data, heard_by, _ in events_of(office.house.db)
        if data.get("ticket") == ticket
    ]
    assert told[-1] == ("ticket.updated", [])
    assert "ticket.unclaimed" not in dict(told)


def test_the_team_s_own_organization_is_not_deleted_and_has_no_mode(office: Office) -> None:
    team = office.house.db.write_here(ensure_internal, office.house.at)

    with pytest.raises(Forbidden):
        office.act(MO, offboarding.delete_organization, team, "Team")
    with pytest.raises(Forbidden):
        office.act(MO, settings.set_visibility, team, "participants")
    with pytest.raises(Forbidden):
        office.act(MO, settings.add_category, team, "Ours")
    assert office.act(MO, settings.rename, team, name="The crew").name == "The crew"


def test_of_the_team_a_super_admin_alone_deletes_an_organization(office: Office) -> None:
    quay = office.ids["quay"]

    assert office.act(DEE, settings.rename, quay, name="The Pier").name == "The Pier"
    for actor in (DEE, ADA):
        with pytest.raises(Forbidden, match="delete the organization"):
            office.act(actor, offboarding.delete_organization, quay, "The Pier")
    office.act(MO, offboarding.delete_organization, quay, "The Pier")


async def test_files_of_what_was_deleted_leave_the_store(office: Office, tmp_path: Path) -> None:
    db, store = office.house.db, Disk(tmp_path / "files")
    uploads, kept = Uploads(db, store, 1000), dict[str, str]()
    for slug, actor in (("quay", BO), ("loft", CY)):
        for fate in ("stays", "deleted"):
            ticket = office.file(actor, fate, at=slug)
            place = f"org:{office.ids[slug]}"
            file = (await uploads.keep(office.house.id_of(actor), place, "a", once(b"x"))).id
            sent = update(files).where(files.c.id == file).values(ticket=ticket, message=ticket)
            db.write_here(Connection.execute, sent)
            kept[f"{slug} {fate}"] = file
            if fate == "deleted":
                office.act(DEE, actions_update.remove, ticket)
    office.act(CY, offboarding.delete_organization, office.ids["loft"], "The Loft")

    def rows() -> int:
        counted = select(func.count()).select_from(files)
        return db.read_here(lambda tx: tx.execute(counted).scalar_one())

    await Keeper(db, store, lambda: office.house.at + HOUR).sweep()
    at_once = rows()
    await Keeper(db, store, lambda: now() + 2 * DAY).sweep()

    assert at_once == 4, "for a day a mistake can be undone by hand"
    assert bytes_in(tmp_path) == [kept["quay stays"]]


def bytes_in(folder: Path) -> list[str]:
    return [each.name for each in folder.glob("files/??/*")]
