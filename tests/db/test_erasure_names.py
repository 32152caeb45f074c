"""Test what remains of a category and a label, which are taken out of use and not deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskwire.direct_edits.processor import record_edits
from deskwire.events.log import read_after, read_head
from deskwire.kit.db import Database
from deskwire.tickets.actions import update
from deskwire.workspaces.organizations import categories
from deskwire.workspaces.organizations.categories import read_categories
from tests.fixtures.cast import ADA, BO, MO
from tests.fixtures.erasure import find_marker, sweep_erasures
from tests.fixtures.staffed_portal import StaffedPortalFixture

MARKER = "zauberkran"
# The timeline of the request, and the events that told of it: its history.
HISTORY = {"messages.data", "messages.html", "log.data"}


def find_in_tables(db: Database) -> set[str]:
    """Where the marker is, other than in words that SQLite's index has not merged away yet."""
    return {each for each in find_marker(db, MARKER) if not each.startswith("ticket_words_index")}


def read_newest_frame(portal: StaffedPortalFixture) -> bytes:
    db = portal.desk.db
    return db.read_sync(read_after, db.read_sync(read_head) - 1, 1)[0].frame


def test_a_label_that_was_taken_off_stays_in_the_history_of_its_request_and_goes_with_it(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, db = staffed_portal, staffed_portal.desk.db
    ticket = portal.create_request(BO, "The mast")
    portal.act_as(ADA, update.update, ticket, {"labels": [MARKER]})

    portal.act_as(ADA, update.update, ticket, {"labels": []})
    portal.act_as(ADA, update.update, ticket, {"priority": "high"})

    assert MARKER.encode() not in read_newest_frame(portal), "no state has it any more"
    sweep_erasures(db, tmp_path / "files")
    assert find_in_tables(db) == HISTORY
    portal.act_as(MO, update.delete_request, ticket)
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []


@pytest.mark.parametrize("way", ["archived", "deleted by SQL", "renamed by SQL"])
def test_a_category_out_of_use_stays_in_the_history_of_its_requests_and_goes_with_them(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, way: str
) -> None:
    portal, db, quay = (
        staffed_portal,
        staffed_portal.desk.db,
        staffed_portal.organization_ids["quay"],
    )
    portal.act_as(BO, categories.add_category, quay, MARKER)
    [category] = [each for each in db.read_sync(read_categories, quay) if each.name == MARKER]
    ticket = portal.create_request(BO, "The mast")
    portal.act_as(ADA, update.update, ticket, {"category": category.id})

    match way:
        case "archived":
            portal.act_as(BO, categories.set_category_archived, quay, category.id, archived=True)
        case "deleted by SQL":
            edit_database(db, f"DELETE FROM categories WHERE id = '{category.id}'")
        case _:
            edit_database(db, f"UPDATE categories SET name = 'Buoys' WHERE id = '{category.id}'")

    is_archived = way == "archived"
    organization_event = read_newest_frame(portal)
    assert b"organization.updated" in organization_event, "pages with its list are told"
    assert MARKER.encode() not in organization_event
    portal.act_as(ADA, update.update, ticket, {"priority": "high"})
    assert (MARKER.encode() in read_newest_frame(portal)) == is_archived, "the state of a request"
    sweep_erasures(db, tmp_path / "files")
    assert find_in_tables(db) == HISTORY | ({"categories.name"} if is_archived else set())
    portal.act_as(MO, update.delete_request, ticket)
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == (["categories.name"] if is_archived else [])


def edit_database(db: Database, statement: str) -> None:
    """Run a statement as another program would, and record what it changed."""
    db.write_sync(lambda tx: tx.exec_driver_sql(statement))
    while db.write_sync(record_edits):
        pass
