"""Search finds what screens show, however it is typed, and no query breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire.events import channels
from deskwire.tickets.search import find, parse_wish
from tests.cast import ADA, BO, CY, HARBOUR, Actor, House, build

NOBODY_YET = Actor("Nobody Yet", "900000000000001337")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    built = build(tmp_path_factory.mktemp("search"))
    built.open_ticket(1, "Übung macht den Meister, 100 % sicher", BO)
    built.open_ticket(2, "Straße_gesperrt \\ Umleitung", CY)
    built.move(3, "PENDING", NOBODY_YET)  # of this one no event has told subject or opener
    built.claim(4, NOBODY_YET)
    yield built
    built.db.close()


def numbers(house: House, query: str) -> set[int]:
    """The tickets of the Harbour that Ada finds."""
    wish = parse_wish({"q": query})
    found = house.db.read_here(find, house.viewer(ADA), channels.guild(HARBOUR), wish)
    return {ticket.now.number for ticket in found.tickets}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("übung", {1}),
        ("ÜBUNG meister", {1}),
        ("u\u0308bung", {1}),
        ("STRASSE", {2}),
        ("castellanos", {1}),
        ("%", {1}),
        ("_", {2}),
        ("\\", {2}),
        ("Ticket #3", {3}),
        ("ticket", {3, 4}),
        ("#4", {4}),
        ("Discord user …1337", {4}),
        ("1337", {4}),
        ("…1337", {4}),
        ("1338", set()),
        ("user", {4}),
        ("Bo übung", {1}),
        ("Cy übung", set()),
        ("", {1, 2, 3, 4}),
    ],
)
def test_what_a_screen_shows_is_found(house: House, query: str, found: set[int]) -> None:
    assert numbers(house, query) == found


def test_a_named_user_is_not_found_by_a_stand_in_nobody_sees(house: House) -> None:
    assert 1 not in numbers(house, BO.discord[-4:])
    assert 1 not in numbers(house, "Discord")


def test_a_new_name_and_a_new_subject_are_found_and_the_old_ones_not(tmp_path: Path) -> None:
    house = build(tmp_path)
    house.open_ticket(1, "Ärger", BO)
    house.change(1, subject={"old": "Ärger", "new": "Öl"})
    house.say(1, Actor("Änne", BO.discord), "that was me")

    try:
        assert numbers(house, "öl änne") == {1}
        assert numbers(house, "ärger") == set()
        assert numbers(house, "castellanos") == set()
    finally:
        house.db.close()


@given(st.text(st.characters(), max_size=250))
def test_no_query_breaks_it(house: House, query: str) -> None:
    assert numbers(house, query) <= {1, 2, 3, 4}


@pytest.mark.parametrize("query", ["% " * 100, "a " * 100, "9" * 200, "\ud800", "\0", "ﷺ" * 200])
def test_neither_does_the_worst_one(house: House, query: str) -> None:
    assert numbers(house, query) <= {1, 2, 3, 4}
