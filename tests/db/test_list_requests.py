"""Lists of requests: filters, pages by key, unread, and only what is the viewer's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deskwire.events import channels
from deskwire.tickets.actions import update
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import PAGE, Found, parse_wish
from tests.fixtures.cast import ADA, BO, CY, EVE, UNA, Actor, build
from tests.fixtures.portal import Quay, found


@pytest.fixture(scope="module")
def quay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quay]:
    house = build(tmp_path_factory.mktemp("lists"))
    built = found(house)
    mast = built.file(BO, "The mast is dark", "It was zanzibar")
    built.file(UNA, "An invoice is missing")
    built.file(CY, "A mast of ours", at="loft")
    built.act(ADA, update.assign, mast, house.id_of(ADA))
    built.act(ADA, update.prioritise, mast, "high")
    built.act(ADA, update.label, mast, add=['say "hi"', "100%"])
    built.act(ADA, update.move, mast, "waiting")
    built.say(ADA, mast, "Which one?")
    yield built
    house.db.close()


def list_of(quay: Quay, actor: Actor, place: str | None = "quay", **fields: str) -> Found:
    workspace = channels.organization(quay.ids[place]) if place else None
    viewer, wish = quay.house.viewer(actor), parse_wish(fields)
    return quay.house.db.read_here(list_requests.find, viewer, workspace, wish)


def subjects(found_: Found) -> list[str]:
    return [each.ticket.now.subject for each in found_.requests]


MAST, INVOICE, LOFT = "The mast is dark", "An invoice is missing", "A mast of ours"


def test_members_see_all_requests_of_their_organization_and_the_team_those_of_all(
    quay: Quay,
) -> None:
    assert subjects(list_of(quay, UNA)) == [MAST, INVOICE]
    assert subjects(list_of(quay, CY)) == []
    assert subjects(list_of(quay, CY, "loft")) == [LOFT]
    assert set(subjects(list_of(quay, ADA, None))) == {MAST, INVOICE, LOFT}
    for actor in (BO, CY, EVE):
        nothing = list_of(quay, actor, None)
        assert (subjects(nothing), nothing.total) == ([], 0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"q": "mast"}, [MAST]),
        ({"q": "zanzi"}, [MAST]),
        ({"q": "bo castel"}, [MAST]),
        ({"q": "\"'); DROP * -- ^org %"}, []),
        ({"priority": "high"}, [MAST]),
        ({"priority": "nonsense"}, [MAST, INVOICE]),
        ({"assignee": "nobody"}, [INVOICE]),
        ({"label": 'say "hi"'}, [MAST]),
        ({"label": "100%"}, [MAST]),
        ({"label": "100"}, []),
        ({"label": "%"}, []),
        ({"q": "%&* ?!"}, []),
        ({"status": "waiting"}, [MAST]),
        ({"sort": "oldest"}, [MAST, INVOICE]),
        ({"sort": "newest"}, [INVOICE, MAST]),
        ({"after": "nonsense"}, [MAST, INVOICE]),
        ({"after": "1." + "x" * 100}, [MAST, INVOICE]),
    ],
)
def test_filters_narrow_the_list_and_nonsense_does_not_break_it(
    quay: Quay, fields: dict[str, str], expected: list[str]
) -> None:
    assert subjects(list_of(quay, BO, **fields)) == expected


def test_what_waits_on_somebody_is_their_answer_or_their_work(quay: Quay) -> None:
    assert subjects(list_of(quay, BO, waiting="yes")) == [MAST]
    assert subjects(list_of(quay, UNA, waiting="yes")) == []
    assert subjects(list_of(quay, ADA, None, waiting="yes")) == []


def test_unread_is_what_somebody_else_wrote_since_one_looked(quay: Quay) -> None:
    assert subjects(list_of(quay, BO, unread="yes")) == [MAST, INVOICE]
    mine = {each.ticket.now.subject: each.unread for each in list_of(quay, UNA).requests}

    assert mine == {MAST: True, INVOICE: False}


def test_in_the_mode_of_participants_a_colleague_sees_only_their_own(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    house = build(tmp_path_factory.mktemp("mode"))
    quay = found(house)
    quay.file(BO, MAST)
    quay.file(UNA, INVOICE)

    quay.set_mode("quay", "participants")

    assert subjects(list_of(quay, UNA)) == [INVOICE]
    assert subjects(list_of(quay, UNA, q="mast")) == []
    assert subjects(list_of(quay, BO)) == [INVOICE, MAST]
    assert list_of(quay, UNA).total == 1
    house.db.close()


def test_pages_go_by_key_and_miss_nothing_that_moves_meanwhile(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    house = build(tmp_path_factory.mktemp("pages"))
    quay = found(house)
    filed = [quay.file(BO, f"Number {number}") for number in range(PAGE + 5)]

    first = list_of(quay, BO)
    quay.say(BO, filed[0], "Moves to the top")
    second = list_of(quay, BO, after=first.next or "")

    assert len(first.requests) == PAGE
    assert subjects(second) == [f"Number {number}" for number in (4, 3, 2, 1)]
    assert second.next is None
    assert second.total == PAGE + 5
    house.db.close()
