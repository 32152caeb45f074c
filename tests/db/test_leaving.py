"""Who leaves gives back what they had, and an organization that was deleted keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from deskwire.events.log import log, read_after, read_head
from deskwire.kit.clock import DAY, HOUR, now
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.kit.ids import new_id
from deskwire.kit.store import Disk
from deskwire.outside.working import work_off
from deskwire.tickets import leaving, overview, requests, talk, work
from deskwire.tickets.days import day_of, history_of
from deskwire.tickets.files import files
from deskwire.tickets.keeper import Keeper
from deskwire.tickets.requests import parse_wish
from deskwire.tickets.tickets import participants, tickets
from deskwire.tickets.uploads import Uploads, once
from deskwire.workspaces import admission, founding, invitations
from deskwire.workspaces.deeds import Deed
from deskwire.workspaces.names import find_called, rename_person
from deskwire.workspaces.organizations import (
    Organization,
    ensure_internal,
    organization_members,
    organizations,
    read_categories,
    read_employed,
    read_some,
)
from tests.accounts_house import events_of
from tests.admin_house import Office, open_office
from tests.cast import ADA, BO, CY, DEE, EVE, MO, UNA, Actor


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


def test_the_team_keeps_nothing_of_a_deleted_organization_either(office: Office) -> None:
    kept, gone = office.file(CY, "A mast of ours", at="loft"), office.file(BO, "The mast is dark")
    office.act(ADA, work.assign, gone, office.house.id_of(ADA))
    before = what_the_team_sees(office)

    office.act(BO, leaving.delete_organization, office.ids["quay"], "The Quay")

    assert before == {kept, gone}
    assert what_the_team_sees(office) == {kept}
    with pytest.raises(NotFound):
        office.act(ADA, talk.say, gone, talk.Written(new_id(), "Anybody?", "note"))
    with pytest.raises(NotFound):
        office.act(ADA, work.move, gone, "done")


def what_the_team_sees(office: Office) -> set[str]:
    """The requests in every list of the team's; each list and number agrees, or this fails."""
    ada, at, db = office.house.viewer(ADA), office.house.at, office.house.db
    quay = f"org:{office.ids['quay']}"
    lists = [
        db.read_here(requests.find, ada, workspace, parse_wish(fields))
        for workspace, fields in [(None, {}), (None, {"q": "mast"}), (quay, {})]
    ]
    found, searched, of_quay = ({each.ticket.id for each in one.requests} for one in lists)
    figures = db.read_here(overview.read_figures, ada, None, 0)
    history = history_of(figures.counts, figures.changes, day_of(at), 2)
    waiting = {row.id for row in db.read_here(overview.read_waiting, ada, None)}
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
        office.act(BO, leaving.delete_organization, quay, "The Quay")
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
    office.act(ADA, work.assign, ticket, ada)
    office.act(BO, leaving.delete_organization, office.ids["quay"], "The Quay")
    office.act(MO, leaving.take_role, ada)

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


def test_a_server_s_tickets_are_of_no_organization(office: Office) -> None:
    office.house.open_ticket(1, "The crane is stuck")

    assert any(each.startswith("ticket:") for each in office.house.viewer(BO).channels)


def test_people_are_found_by_the_name_they_have_now(office: Office) -> None:
    office.file(UNA, "The mast is dark")
    una, place = office.house.id_of(UNA), f"org:{office.ids['quay']}"

    def is_found(word: str) -> bool:
        return bool(office.house.db.read_here(find_called, place, [word])[word])

    before = is_found("fairweather")
    office.house.db.write_here(rename_person, una, "Una Storm", office.house.at)
    renamed = (is_found("fairweather"), is_found("storm"))
    office.house.db.write_here(leaving.depart, una, office.house.at)

    assert before
    assert renamed == (False, True)
    assert (is_found("storm"), is_found("former")) == (False, True)


def test_an_address_that_was_invited_in_vain_is_forgotten_with_its_account(office: Office) -> None:
    quay, loft = office.ids["quay"], office.ids["loft"]
    office.act(BO, invitations.invite, quay, EVE.email, "member")
    office.act(BO, invitations.invite, quay, EVE.email, "manager")  # ends the one before
    office.act(CY, invitations.invite, loft, EVE.email, "member")

    office.house.db.write_here(leaving.depart, office.house.id_of(EVE), office.house.at)

    kept = select(invitations.invitations.c.role).where(
        invitations.invitations.c.email == EVE.email
    )
    roles = office.house.db.read_here(lambda tx: [*tx.execute(kept).scalars()])
    assert sorted(roles) == ["manager", "member"], "only those that are open"


def test_whose_role_shrinks_loses_what_they_may_invite_to_no_more(office: Office) -> None:
    quay, una = office.ids["quay"], office.house.id_of(UNA)
    office.act(BO, leaving.change_role, quay, una, "admin")
    for role in ("admin", "member"):
        office.act(UNA, invitations.invite, quay, f"una+{role}@desk.test", role)
    office.act(DEE, invitations.invite, quay, "dee+@desk.test", "admin")

    def open_ones() -> set[str]:
        found = office.house.db.read_here(invitations.read_open, quay, office.house.at)
        return {each.email.partition("@")[0] for each in found}

    at_first = open_ones()
    office.act(BO, leaving.change_role, quay, una, "manager")
    as_manager = open_ones()
    office.act(BO, leaving.change_role, quay, una, "member")
    as_member = open_ones()
    office.act(MO, leaving.take_role, office.house.id_of(DEE))

    assert at_first == {"una+admin", "una+member", "dee+"}
    assert as_manager == {"una+member", "dee+"}
    assert as_member == {"dee+"}
    assert open_ones() == set()


def test_who_lost_a_role_meanwhile_invites_nobody_by_it(office: Office) -> None:
    quay, una = office.ids["quay"], office.house.id_of(UNA)
    office.act(BO, leaving.change_role, quay, una, "manager")
    before = {each: Deed(office.house.viewer(each), office.house.at) for each in (UNA, DEE)}
    office.act(BO, leaving.change_role, quay, una, "member")
    office.act(MO, leaving.take_role, office.house.id_of(DEE))

    for deed in before.values():
        with pytest.raises(Forbidden, match="invite people"):
            office.house.db.write_here(invitations.invite, deed, quay, "n@desk.test", "member")

    assert office.house.db.read_here(invitations.read_open, quay, office.house.at) == []


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(
    "shrink", [leaving.change_role, leaving.take_role, leaving.deactivate, leaving.depart]
)
def test_no_role_shrinks_past_an_invitation_that_is_being_made(
    office: Office, shrink: Callable[..., None]
) -> None:
    quay, actor = office.ids["quay"], DEE if shrink is leaving.take_role else UNA
    office.act(BO, leaving.change_role, quay, office.house.id_of(UNA), "manager")
    person, at = office.house.id_of(actor), office.house.at

    def at_once(tx: Connection) -> None:
        tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
        match shrink:
            case leaving.change_role:
                leaving.change_role(tx, Deed(office.house.viewer(BO), at), quay, person, "member")
            case leaving.depart:
                leaving.depart(tx, person, at)
            case _:
                shrink(tx, Deed(office.house.viewer(MO), at), person)

    def invite(tx: Connection) -> None:
        deed = Deed(office.house.viewer(actor), at)
        invitations.invite(tx, deed, quay, "n@desk.test", "member")
        with pytest.raises(OperationalError, match="lock timeout"):
            office.house.db.write_here(at_once)  # nothing is committed yet that it could find

    office.house.db.write_here(invite)


def test_who_cannot_sign_in_is_not_the_admin_that_is_left(office: Office) -> None:
    quay, una, bo = office.ids["quay"], office.house.id_of(UNA), office.house.id_of(BO)
    office.act(BO, leaving.change_role, quay, una, "admin")
    office.act(DEE, leaving.deactivate, una)

    with pytest.raises(Conflict, match="needs an admin"):
        office.act(BO, leaving.remove_member, quay, bo)
    office.act(DEE, admission.readmit, una)
    office.act(BO, leaving.remove_member, quay, bo)


def test_the_team_s_own_organization_is_not_deleted_and_has_no_mode(office: Office) -> None:
    team = office.house.db.write_here(ensure_internal, office.house.at)

    with pytest.raises(Forbidden):
        office.act(MO, leaving.delete_organization, team, "Team")
    with pytest.raises(Forbidden):
        office.act(MO, founding.set_visibility, team, "participants")
    with pytest.raises(Forbidden):
        office.act(MO, founding.add_category, team, "Ours")
    assert office.act(MO, founding.rename, team, name="The crew").name == "The crew"


def test_of_the_team_a_super_admin_alone_deletes_an_organization(office: Office) -> None:
    quay = office.ids["quay"]

    assert office.act(DEE, founding.rename, quay, name="The Pier").name == "The Pier"
    for actor in (DEE, ADA):
        with pytest.raises(Forbidden, match="delete the organization"):
            office.act(actor, leaving.delete_organization, quay, "The Pier")
    office.act(MO, leaving.delete_organization, quay, "The Pier")


def test_of_two_who_change_a_profile_at_once_neither_undoes_the_other(office: Office) -> None:
    quay, at_once = office.ids["quay"], Barrier(2)

    def rename(given: dict[str, str]) -> None:
        at_once.wait(10)
        office.act(BO, founding.rename, quay, **given)

    def add(_nth: int) -> None:
        at_once.wait(10)
        with suppress(Conflict):
            office.act(BO, founding.add_category, quay, "Masts")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(rename, ({"name": "The New Quay"}, {"about": "Boats"})))
        list(threads.map(add, range(2)))

    place = office.house.db.read_here(read_some, [quay])[quay]
    assert (place.name, place.about, place.slug) == ("The New Quay", "Boats", "quay")
    assert len(office.house.db.read_here(read_categories, quay)) == 1


def test_of_two_who_want_an_address_at_once_one_is_refused_in_a_sentence(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    quay, loft, at_once = office.ids["quay"], office.ids["loft"], Barrier(2)

    def attempt(act: Callable[[], Organization]) -> str:
        at_once.wait(10)
        try:
            return act().slug
        except Invalid as refusal:
            return str(refusal.fields)

    def both(*acts: Callable[[], Organization]) -> list[str]:
        with ThreadPoolExecutor(2) as threads:
            return sorted(threads.map(attempt, acts))

    named = both(*(partial(office.act, each, founding.create, "Pier") for each in (BO, CY)))
    moved = both(
        partial(office.act, BO, founding.rename, quay, slug="mole"),
        partial(office.act, CY, founding.rename, loft, slug="mole"),
    )
    # Who writes in the database by hand waits for no lock of ours.
    monkeypatch.setattr(founding, "_check_free", lambda *_: None)
    with pytest.raises(Invalid, match="The address pier is taken") as founded:
        office.act(EVE, founding.create, "Dock", "pier")
    with pytest.raises(Invalid, match="The address pier is taken"):
        office.act(BO, founding.rename, quay, slug="pier")

    assert named == ["pier", "pier-2"]
    assert moved == ["mole", "{'slug': 'The address mole is taken. Choose another.'}"]
    assert founded.value.fields.keys() == {"slug"}


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
