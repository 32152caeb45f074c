"""Who leaves gives back what they had, and an organization that was deleted keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, update

from deskwire.events.log import log
from deskwire.kit.clock import DAY, HOUR, now
from deskwire.kit.errors import Conflict, Forbidden, NotFound
from deskwire.kit.store import Disk
from deskwire.tickets import leaving, work
from deskwire.tickets.files import files
from deskwire.tickets.keeper import Keeper
from deskwire.tickets.tickets import participants
from deskwire.tickets.uploads import Uploads, once
from deskwire.workspaces import admission, invitations
from deskwire.workspaces.organizations import organization_members, organizations, read_employed
from tests.accounts_house import events_of
from tests.admin_house import Office, open_office
from tests.cast import ADA, BO, CY, DEE, MO, UNA, Actor


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    house = open_office(tmp_path)
    yield house
    house.house.db.close()


def add(office: Office, actor: Actor, ticket: str) -> None:
    """Somebody takes part in a request although they are no member."""
    row = {"ticket": ticket, "principal": office.house.id_of(actor), "role": "added"}
    office.house.db.write_here(lambda tx: tx.execute(insert(participants).values(row)))


def types_told(office: Office) -> list[str]:
    return office.house.db.read_here(
        lambda tx: list(tx.execute(select(log.c.type).order_by(log.c.position)).scalars())
    )


def is_super(office: Office, actor: Actor) -> bool:
    held = office.house.db.read_here(read_employed)
    return held.get(office.house.id_of(actor)) == "super_admin"


def test_of_a_deleted_organization_nobody_keeps_a_request(office: Office) -> None:
    ticket = office.file(BO, "The mast is dark")
    add(office, CY, ticket)
    office.act(UNA, work.watch, ticket, office.house.id_of(UNA))
    held = {actor: f"ticket:{ticket}" in office.house.viewer(actor).channels for actor in (CY, UNA)}

    office.act(BO, leaving.delete_organization, office.ids["quay"], "The Quay")

    touches = events_of(office.house.db)[-1][3]
    assert {f"user:{office.house.id_of(each)}" for each in (BO, CY, UNA)} <= set(touches)
    assert held == {CY: True, UNA: True}
    for actor in (BO, CY, UNA):
        channels = office.house.viewer(actor).channels
        assert not any(office.ids["quay"] in each or ticket in each for each in channels)
    mine = update(organizations).where(organizations.c.id == office.ids["quay"])
    office.house.db.write_here(lambda tx: tx.execute(mine.values(deleted_at=None)))
    assert f"ticket:{ticket}" in office.house.viewer(CY).channels, "that alone took it"


def test_a_server_s_tickets_are_of_no_organization(office: Office) -> None:
    office.house.open_ticket(1, "The crane is stuck")

    assert any(each.startswith("ticket:") for each in office.house.viewer(BO).channels)


def test_who_departs_gives_back_what_they_had_taken_on(office: Office) -> None:
    ticket, ada = office.file(BO, "The mast is dark"), office.house.id_of(ADA)
    office.act(ADA, work.assign, ticket, ada)

    office.house.db.write_here(leaving.depart, ada, office.house.at + 1000)

    assert office.assignee(ticket) is None
    assert types_told(office)[-1] == "ticket.unclaimed"


def test_who_departs_takes_their_invitations_back(office: Office) -> None:
    una = organization_members.c.person == office.house.id_of(UNA)
    office.house.db.write_here(
        lambda tx: tx.execute(update(organization_members).where(una).values(role="manager"))
    )
    secret = office.act(UNA, invitations.invite, office.ids["quay"], "n@desk.test", "member")

    office.house.db.write_here(leaving.depart, office.house.id_of(UNA), office.house.at + 1000)

    with pytest.raises(NotFound, match="taken back"):
        office.house.db.read_here(invitations.find, secret, office.house.at)
    assert "invitation.revoked" in types_told(office)


def test_who_is_removed_from_an_organization_takes_their_invitations_there_back(
    office: Office,
) -> None:
    quay, loft, at = office.ids["quay"], office.ids["loft"], office.house.at
    for actor, place in ((DEE, loft), (DEE, quay), (BO, quay)):
        office.act(actor, invitations.invite, place, f"{actor.discord}@desk.test", "member")
    row = {"organization": quay, "person": office.house.id_of(DEE), "role": "member"}
    office.house.db.write_here(
        Connection.execute, insert(organization_members).values(**row, revision=1)
    )

    office.act(BO, leaving.remove_member, quay, office.house.id_of(DEE))

    left = {
        place: office.house.db.read_here(invitations.read_open, place, at) for place in (quay, loft)
    }
    assert [each.email for each in left[quay]] == [f"{BO.discord}@desk.test"]
    assert len(left[loft]) == 1


def test_a_role_that_is_taken_gives_requests_back(office: Office) -> None:
    ticket, ada = office.file(BO, "The mast is dark"), office.house.id_of(ADA)
    office.act(ADA, work.assign, ticket, ada)

    office.act(MO, leaving.take_role, ada)

    assert office.assignee(ticket) is None
    assert "staff" not in office.house.viewer(ADA).channels


def test_one_super_admin_who_can_sign_in_stays(office: Office) -> None:
    mo, dee = office.house.id_of(MO), office.house.id_of(DEE)
    office.act(MO, admission.give_role, dee, "super_admin")
    office.act(DEE, leaving.deactivate, mo)

    with pytest.raises(Forbidden, match="own account"):
        office.act(DEE, leaving.take_role, dee)
    with pytest.raises(Conflict, match="last super admin"):
        office.house.db.write_here(leaving.depart, dee, office.house.at)

    assert is_super(office, DEE)


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
                office.act(DEE, work.remove, ticket)
    office.act(CY, leaving.delete_organization, office.ids["loft"], "The Loft")

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
