"""Who leaves gives back what they had, and whose role shrinks what they did by it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import OperationalError

from deskwire.events.log import log
from deskwire.kit.errors import Conflict, Forbidden, Invalid, NotFound
from deskwire.tickets.actions import offboarding
from deskwire.tickets.actions import update as actions_update
from deskwire.workspaces.actor import Deed
from deskwire.workspaces.names import find_called, rename_person
from deskwire.workspaces.organizations import invitations, settings, staff
from deskwire.workspaces.organizations.organizations import (
    Organization,
    organization_members,
    read_categories,
    read_employed,
    read_some,
)
from tests.fixtures.cast import ADA, BO, CY, DEE, EVE, MO, UNA, Actor
from tests.fixtures.staffed_portal import Office


def types_told(office: Office) -> list[str]:
    return office.house.db.read_here(
        lambda tx: list(tx.execute(select(log.c.type).order_by(log.c.position)).scalars())
    )


def is_super(office: Office, actor: Actor) -> bool:
    held = office.house.db.read_here(read_employed)
    return held.get(office.house.id_of(actor)) == "super_admin"


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
    office.house.db.write_here(offboarding.depart, una, office.house.at)

    assert before
    assert renamed == (False, True)
    assert (is_found("storm"), is_found("former")) == (False, True)


def test_nothing_that_was_told_names_who_departed(office: Office) -> None:
    una, ada, quay = office.house.id_of(UNA), office.house.id_of(ADA), office.ids["quay"]
    first, name = office.file(UNA, "The mast is dark"), office.person(ADA).name
    office.say(UNA, first, "Who has seen the mast?")
    office.act(MO, actions_update.assign, first, ada)
    office.act(MO, actions_update.assign, first, office.house.id_of(DEE))
    office.act(UNA, actions_update.unwatch, office.file(BO, "The quay is wet"), una)
    office.act(BO, actions_update.watch, office.file(BO, "The crane is stuck"), una)
    office.act(BO, offboarding.change_role, quay, una, "manager")

    def told() -> str:
        here = "(workspace LIKE 'org:%' OR workspace IS NULL)"  # what the bot told is Discord's
        rows = text(f"SELECT data FROM log WHERE {here} UNION ALL SELECT html FROM messages")
        return office.house.db.read_here(lambda tx: "".join(tx.execute(rows).scalars()))

    before = told()
    for person in (una, ada):
        office.house.db.write_here(offboarding.depart, person, office.house.at + 1000)

    assert all(each in before for each in (UNA.name, f"to {name}"))
    assert not any(each in told() for each in (UNA.name, name))
    assert told().count("assigned the request to Former member") == 2
    assert "Who has seen the mast?" in told()


def test_an_address_that_was_invited_in_vain_is_forgotten_with_its_account(office: Office) -> None:
    quay, loft = office.ids["quay"], office.ids["loft"]
    office.act(BO, invitations.invite, quay, EVE.email, "member")
    office.act(BO, invitations.invite, quay, EVE.email, "manager")  # ends the one before
    office.act(CY, invitations.invite, loft, EVE.email, "member")

    office.house.db.write_here(offboarding.depart, office.house.id_of(EVE), office.house.at)

    kept = select(invitations.invitations.c.role).where(
        invitations.invitations.c.email == EVE.email
    )
    roles = office.house.db.read_here(lambda tx: [*tx.execute(kept).scalars()])
    assert sorted(roles) == ["manager", "member"], "only those that are open"


def test_whose_role_shrinks_loses_what_they_may_invite_to_no_more(office: Office) -> None:
    quay, una = office.ids["quay"], office.house.id_of(UNA)
    office.act(BO, offboarding.change_role, quay, una, "admin")
    for role in ("admin", "member"):
        office.act(UNA, invitations.invite, quay, f"una+{role}@desk.test", role)
    office.act(DEE, invitations.invite, quay, "dee+@desk.test", "admin")

    def open_ones() -> set[str]:
        found = office.house.db.read_here(invitations.read_open, quay, office.house.at)
        return {each.email.partition("@")[0] for each in found}

    at_first = open_ones()
    office.act(BO, offboarding.change_role, quay, una, "manager")
    as_manager = open_ones()
    office.act(BO, offboarding.change_role, quay, una, "member")
    as_member = open_ones()
    office.act(MO, offboarding.take_role, office.house.id_of(DEE))

    assert at_first == {"una+admin", "una+member", "dee+"}
    assert as_manager == {"una+member", "dee+"}
    assert as_member == {"dee+"}
    assert open_ones() == set()


def test_who_lost_a_role_meanwhile_invites_nobody_by_it(office: Office) -> None:
    quay, una = office.ids["quay"], office.house.id_of(UNA)
    office.act(BO, offboarding.change_role, quay, una, "manager")
    before = {each: Deed(office.house.viewer(each), office.house.at) for each in (UNA, DEE)}
    office.act(BO, offboarding.change_role, quay, una, "member")
    office.act(MO, offboarding.take_role, office.house.id_of(DEE))

    for deed in before.values():
        with pytest.raises(Forbidden, match="invite people"):
            office.house.db.write_here(invitations.invite, deed, quay, "n@desk.test", "member")

    assert office.house.db.read_here(invitations.read_open, quay, office.house.at) == []


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(
    "shrink",
    [offboarding.change_role, offboarding.take_role, offboarding.deactivate, offboarding.depart],
)
def test_no_role_shrinks_past_an_invitation_that_is_being_made(
    office: Office, shrink: Callable[..., None]
) -> None:
    quay, actor = office.ids["quay"], DEE if shrink is offboarding.take_role else UNA
    office.act(BO, offboarding.change_role, quay, office.house.id_of(UNA), "manager")
    person, at = office.house.id_of(actor), office.house.at

    def at_once(tx: Connection) -> None:
        tx.execute(text("SET LOCAL lock_timeout = '50ms'"))
        match shrink:
            case offboarding.change_role:
                offboarding.change_role(
                    tx, Deed(office.house.viewer(BO), at), quay, person, "member"
                )
            case offboarding.depart:
                offboarding.depart(tx, person, at)
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
    office.act(BO, offboarding.change_role, quay, una, "admin")
    office.act(DEE, offboarding.deactivate, una)

    with pytest.raises(Conflict, match="needs an admin"):
        office.act(BO, offboarding.remove_member, quay, bo)
    office.act(DEE, staff.readmit, una)
    office.act(BO, offboarding.remove_member, quay, bo)


def test_of_two_who_change_a_profile_at_once_neither_undoes_the_other(office: Office) -> None:
    quay, at_once = office.ids["quay"], Barrier(2)

    def rename(given: dict[str, str]) -> None:
        at_once.wait(10)
        office.act(BO, settings.rename, quay, **given)

    def add(_nth: int) -> None:
        at_once.wait(10)
        with suppress(Conflict):
            office.act(BO, settings.add_category, quay, "Masts")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(rename, ({"name": "The New Quay"}, {"about": "Boats"})))
        list(threads.map(add, range(2)))

    place = office.house.db.read_here(read_some, [quay])[quay]
    assert (place.name, place.about, place.slug) == ("The New Quay", "Boats", "quay")
    assert len(office.house.db.read_here(read_categories, quay)) == 1


def test_why_a_category_is_not_added_is_said(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    quay = office.ids["quay"]
    office.act(BO, settings.add_category, quay, "Masts")
    monkeypatch.setattr(settings, "MAX_CATEGORIES", 1)

    for name, said in (("Masts", "a category “Masts” already"), ("Hulls", "list .* is full")):
        with pytest.raises(Conflict, match=said):
            office.act(BO, settings.add_category, quay, name)


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

    named = both(*(partial(office.act, each, settings.create, "Pier") for each in (BO, CY)))
    moved = both(
        partial(office.act, BO, settings.rename, quay, slug="mole"),
        partial(office.act, CY, settings.rename, loft, slug="mole"),
    )
    # Who writes in the database by hand waits for no lock of ours.
    monkeypatch.setattr(settings, "_check_free", lambda *_: None)
    with pytest.raises(Invalid, match="The address pier is taken") as founded:
        office.act(EVE, settings.create, "Dock", "pier")
    with pytest.raises(Invalid, match="The address pier is taken"):
        office.act(BO, settings.rename, quay, slug="pier")

    assert named == ["pier", "pier-2"]
    assert moved == ["mole", "{'slug': 'The address mole is taken. Choose another.'}"]
    assert founded.value.fields.keys() == {"slug"}


def test_who_departs_gives_back_what_they_had_taken_on(office: Office) -> None:
    ticket, ada = office.file(BO, "The mast is dark"), office.house.id_of(ADA)
    office.act(ADA, actions_update.assign, ticket, ada)

    office.house.db.write_here(offboarding.depart, ada, office.house.at + 1000)

    assert office.assignee(ticket) is None
    assert types_told(office)[-1] == "ticket.unclaimed"


def test_who_departs_takes_their_invitations_back(office: Office) -> None:
    una = organization_members.c.person == office.house.id_of(UNA)
    office.house.db.write_here(
        lambda tx: tx.execute(update(organization_members).where(una).values(role="manager"))
    )
    secret = office.act(UNA, invitations.invite, office.ids["quay"], "n@desk.test", "member")

    office.house.db.write_here(offboarding.depart, office.house.id_of(UNA), office.house.at + 1000)

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

    office.act(BO, offboarding.remove_member, quay, office.house.id_of(DEE))

    left = {
        place: office.house.db.read_here(invitations.read_open, place, at) for place in (quay, loft)
    }
    assert [each.email for each in left[quay]] == [f"{BO.discord}@desk.test"]
    assert len(left[loft]) == 1


def test_a_role_that_is_taken_gives_requests_back(office: Office) -> None:
    ticket, ada = office.file(BO, "The mast is dark"), office.house.id_of(ADA)
    office.act(ADA, actions_update.assign, ticket, ada)

    office.act(MO, offboarding.take_role, ada)

    assert office.assignee(ticket) is None
    assert "staff" not in office.house.viewer(ADA).channels


def test_one_super_admin_who_can_sign_in_stays(office: Office) -> None:
    mo, dee = office.house.id_of(MO), office.house.id_of(DEE)
    office.act(MO, staff.give_role, dee, "super_admin")
    office.act(DEE, offboarding.deactivate, mo)

    with pytest.raises(Forbidden, match="own account"):
        office.act(DEE, offboarding.take_role, dee)
    with pytest.raises(Conflict, match="last super admin"):
        office.house.db.write_here(offboarding.depart, dee, office.house.at)

    assert is_super(office, DEE)
