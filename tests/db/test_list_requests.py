"""Test lists of requests: filters, keyset pages, unread, and only what the viewer may see."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deskwire.events import channels
from deskwire.tickets.actions import update
from deskwire.tickets.field_changes import LabelChange
from deskwire.tickets.queries import list_requests
from deskwire.tickets.queries.list_requests import PAGE_SIZE, RequestResults, parse_request_filter
from tests.fixtures.cast import ADA, BO, CY, EVE, UNA, Persona, create_desk
from tests.fixtures.portal import PortalFixture, create_portal


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortalFixture]:
    desk = create_desk(tmp_path_factory.mktemp("lists"))
    built = create_portal(desk)
    mast = built.create_request(BO, "The mast is dark", "It was zanzibar")
    built.create_request(UNA, "An invoice is missing")
    built.create_request(CY, "A mast of ours", slug="loft")
    built.act_as(ADA, update.update, mast, {"assignee": desk.person_id(ADA)})
    built.act_as(ADA, update.update, mast, {"priority": "high"})
    built.act_as(ADA, update.update, mast, {"labels": LabelChange(add=['say "hi"', "100%"])})
    built.act_as(ADA, update.update, mast, {"status": "waiting"})
    built.post_message(ADA, mast, "Which one?")
    yield built
    desk.db.close()


def list_of(
    portal: PortalFixture, persona: Persona, slug: str | None = "quay", **fields: str
) -> RequestResults:
    workspace = channels.organization(portal.organization_ids[slug]) if slug else None
    viewer, request_filter = portal.desk.read_viewer(persona), parse_request_filter(fields)
    return portal.desk.db.read_sync(
        list_requests.read_request_results, viewer, workspace, request_filter
    )


def subjects(found_: RequestResults) -> list[str]:
    return [each.ticket.now.subject for each in found_.requests]


MAST, INVOICE, LOFT = "The mast is dark", "An invoice is missing", "A mast of ours"


def test_members_see_their_organizations_requests_and_staff_see_all(
    portal: PortalFixture,
) -> None:
    assert subjects(list_of(portal, UNA)) == [MAST, INVOICE]
    assert subjects(list_of(portal, CY)) == []
    assert subjects(list_of(portal, CY, "loft")) == [LOFT]
    assert set(subjects(list_of(portal, ADA, None))) == {MAST, INVOICE, LOFT}
    for actor in (BO, CY, EVE):
        nothing = list_of(portal, actor, None)
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
def test_filters_narrow_the_list_and_invalid_ones_are_ignored(
    portal: PortalFixture, fields: dict[str, str], expected: list[str]
) -> None:
    assert subjects(list_of(portal, BO, **fields)) == expected


def test_the_waiting_filter_finds_requests_that_need_the_viewers_action(
    portal: PortalFixture,
) -> None:
    assert subjects(list_of(portal, BO, waiting="yes")) == [MAST]
    assert subjects(list_of(portal, UNA, waiting="yes")) == []
    assert subjects(list_of(portal, ADA, None, waiting="yes")) == []


def test_unread_requests_have_messages_of_others_since_the_last_visit(
    portal: PortalFixture,
) -> None:
    assert subjects(list_of(portal, BO, unread="yes")) == [MAST, INVOICE]
    mine = {each.ticket.now.subject: each.unread for each in list_of(portal, UNA).requests}

    assert mine == {MAST: True, INVOICE: False}


def test_with_participant_visibility_a_colleague_sees_only_their_own_requests(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    desk = create_desk(tmp_path_factory.mktemp("mode"))
    portal = create_portal(desk)
    portal.create_request(BO, MAST)
    portal.create_request(UNA, INVOICE)

    portal.set_visibility("quay", "participants")

    assert subjects(list_of(portal, UNA)) == [INVOICE]
    assert subjects(list_of(portal, UNA, q="mast")) == []
    assert subjects(list_of(portal, BO)) == [INVOICE, MAST]
    assert list_of(portal, UNA).total == 1
    desk.db.close()


def test_keyset_pages_miss_no_request_that_moves_meanwhile(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    desk = create_desk(tmp_path_factory.mktemp("pages"))
    portal = create_portal(desk)
    filed = [portal.create_request(BO, f"Number {number}") for number in range(PAGE_SIZE + 5)]

    first = list_of(portal, BO)
    portal.post_message(BO, filed[0], "Moves to the top")
    second = list_of(portal, BO, after=first.next or "")

    assert len(first.requests) == PAGE_SIZE
    assert subjects(second) == [f"Number {number}" for number in (4, 3, 2, 1)]
    assert second.next is None
    assert second.total == PAGE_SIZE + 5
    desk.db.close()
