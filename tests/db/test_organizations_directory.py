"""The directory: everybody and every organization is found, page by page, on every database."""

from __future__ import annotations

import pytest

from deskwire.accounts import people
from deskwire.events.redaction import FORMER
from deskwire.kit.clock import DAY
from deskwire.kit.errors import Conflict, Forbidden, Invalid
from deskwire.tickets.actions import offboarding
from deskwire.tickets.queries.counts import count_open_of
from deskwire.workspaces.organizations import directory, settings
from deskwire.workspaces.organizations.directory import (
    Seek,
    find_companies,
    find_people,
    find_visible,
)
from tests.fixtures.cast import ADA, BO, CY, DEE, MO, UNA, Actor
from tests.fixtures.staffed_portal import Office


def names(office: Office, **seek: str) -> list[str]:
    db, viewer = office.house.db, office.house.viewer(MO)
    found, _ = db.read_here(find_people, viewer, directory.parse_seek(seek))
    return [each.person.name for each in found]


def test_people_are_found_by_parts_of_what_is_known_of_them(office: Office) -> None:
    office.house.db.write_here(people.create, name="100 %_Anne", email=None, at=office.house.at)

    assert names(office, q="CASTELL") == [BO.name]
    assert names(office, q="bo@desk") == [BO.name]
    assert names(office, q=CY.discord) == [CY.name]
    assert names(office, q="%_") == ["100 %_Anne"], "signs of LIKE are letters here"
    assert names(office, q="\0\ud800") == names(office)
    assert len(names(office, group="made-up")) == 8
    assert names(office, group="deactivated") == []


def test_former_members_are_in_no_list(office: Office) -> None:
    office.house.db.write_here(offboarding.depart, office.house.id_of(UNA), office.house.at)

    assert UNA.name not in names(office)
    assert FORMER not in names(office)


def test_a_person_is_listed_with_where_they_belong(office: Office) -> None:
    db, viewer = office.house.db, office.house.viewer(MO)

    bo, mo = (
        db.read_here(directory.read_person, viewer, office.house.id_of(each)) for each in (BO, MO)
    )

    assert [(each.name, each.href, each.role) for each in bo.clients] == [
        ("The Quay", "/orgs/quay", "admin")
    ]
    assert (bo.role, bo.discord, mo.role, mo.clients) == (None, BO.discord, "super_admin", ())


def test_organizations_come_page_by_page_deleted_ones_too(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE", 2)
    for name in ("Pier", "Mole"):
        office.act(BO, settings.create, name)
    office.act(CY, offboarding.delete_organization, office.ids["loft"], "The Loft")
    office.file(BO, "The mast is dark")
    db, viewer = office.house.db, office.house.viewer(ADA)

    first, after = db.read_here(find_companies, viewer, Seek())
    second, end = db.read_here(find_companies, viewer, Seek(after=after))

    known = {each.place.name: each for each in (*first, *second)}
    assert (len(first), len(second), end) == (2, 2, "")
    assert known.keys() == {"Pier", "Mole", "The Quay", "The Loft"}
    assert [name for name, each in known.items() if each.deleted_at] == ["The Loft"]
    assert known["The Quay"].members == 2
    quay = known["The Quay"].place.workspace
    assert db.read_here(count_open_of, viewer, [quay]) == {quay: 1}
    assert db.read_here(count_open_of, office.house.viewer(BO), [quay]) == {}


def test_the_organizations_somebody_sees_come_page_by_page_by_name(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "PAGE", 2)
    for name in ("Pier", "Mole", "Mole"):
        office.act(CY, settings.create, name)
    db = office.house.db

    def pages(actor: Actor) -> list[list[str]]:
        found, after = [], ""
        while True:
            places, following = db.read_here(find_visible, office.house.viewer(actor), after)
            found.append([each.name for each in places])
            if following is None:
                return found
            after = following

    assert pages(ADA) == [["Mole", "Mole"], ["Pier", "The Loft"], ["The Quay"]]
    assert pages(CY) == [["Mole", "Mole"], ["Pier", "The Loft"]]
    assert pages(BO) == [["The Quay"]]
    for nonsense in ("x", "x.Mole", "\0"):
        with pytest.raises(Invalid):
            db.read_here(find_visible, office.house.viewer(ADA), nonsense)


def test_one_person_founds_so_many_organizations(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "MAX_FOUNDED", 2)
    pier = office.act(CY, settings.create, "Pier")

    with pytest.raises(Conflict, match="admin of 2 organizations"):
        office.act(CY, settings.create, "Mole")
    office.act(CY, offboarding.delete_organization, pier.id, "Pier")
    with pytest.raises(Conflict):
        office.act(CY, settings.create, "Mole")
    office.house.at += DAY
    office.act(CY, settings.create, "Mole")
    for name in ("Dock", "Slip", "Lock"):
        office.act(DEE, settings.create, name)


def test_nobody_else_reads_the_directory(office: Office) -> None:
    for actor in (ADA, BO):
        with pytest.raises(Forbidden):
            office.house.db.read_here(find_people, office.house.viewer(actor), Seek())
    with pytest.raises(Forbidden):
        office.house.db.read_here(find_companies, office.house.viewer(BO), Seek())
