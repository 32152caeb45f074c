"""Test that what was deleted cannot be read from then on, and that its bytes are erased."""

from __future__ import annotations

from pathlib import Path

from deskwire.events.log import read_after, read_head, read_latest
from deskwire.events.recent_entries import list_workspace_entries
from deskwire.tickets.actions import update
from tests.fixtures.cast import ADA, BO, MO
from tests.fixtures.erasure import find_marker, sweep_erasures
from tests.fixtures.staffed_portal import StaffedPortalFixture

MARKER = "zauberkran"  # one word, so that the search index holds it, too


def read_frames(portal: StaffedPortalFixture) -> bytes:
    """Return all that any reader of the log can be sent."""
    entries = portal.desk.db.read_sync(read_after, 0, 10_000)
    assert [each.position for each in entries] == list(range(1, len(entries) + 1))
    newest = portal.desk.db.read_sync(read_latest, 10_000)
    assert newest == entries
    return b"".join(each.frame for each in entries if each.channels)


def test_a_deleted_request_cannot_be_read_at_once_and_is_in_no_table_after_the_sweep(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, db = staffed_portal, staffed_portal.desk.db
    kept = portal.create_request(BO, "Kept")
    ticket = portal.create_request(BO, f"About {MARKER}", f"Where is {MARKER}?")
    portal.post_message(ADA, ticket, f"Here is {MARKER}")
    portal.post_message(ADA, ticket, f"They lost {MARKER}", "note")
    portal.act_as(ADA, update.update, ticket, {"subject": f"{MARKER}!", "labels": [MARKER]})
    assert MARKER.encode() in read_frames(portal).lower()
    head = db.read_sync(read_head)

    portal.act_as(MO, update.delete_request, ticket)

    assert MARKER.encode() not in read_frames(portal).lower()
    [deletion] = db.read_sync(read_after, head, 10)
    assert deletion.type == "ticket.deleted"
    assert f"ticket:{ticket}" in deletion.channels
    heard = portal.desk.read_viewer(ADA).channels
    activity = db.read_sync(list_workspace_entries, None, heard, 50)
    assert MARKER not in "".join(each.data for each in activity).lower()

    sweep_erasures(db, tmp_path / "files")

    assert find_marker(db, MARKER) == []
    assert [each.type for each in db.read_sync(read_after, head, 10)] == ["ticket.deleted"]
    assert b"Kept" in read_frames(portal)
    assert portal.post_message(BO, kept, "Still here")
