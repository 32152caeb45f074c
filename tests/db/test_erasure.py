"""Test that what was deleted cannot be read from then on, and that its bytes are erased."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import ColumnElement, Connection, SelectBase, select
from sqlalchemy import update as update_rows

from deskwire.direct_edits.processor import record_edits
from deskwire.dispatches.mail import MailContent
from deskwire.events import erasure
from deskwire.events import log as log_module
from deskwire.events.erasure import erase_entries, list_erasures
from deskwire.events.log import log, read_after, read_head, read_latest
from deskwire.events.recent_entries import list_workspace_entries
from deskwire.events.retention import trim_log
from deskwire.kit.db import Database
from deskwire.kit.ids import new_id
from deskwire.kit.store import DiskStore
from deskwire.server.erasure import Eraser
from deskwire.tickets.actions import offboarding, post_message, update
from deskwire.tickets.actions.post_message import MessageInput, MessageKind
from deskwire.tickets.files.attachments import files
from deskwire.tickets.files.uploads import Uploads, yield_once
from deskwire.workspaces import name_changes
from deskwire.workspaces.organizations import categories, invitations, settings
from tests.fixtures.cast import ADA, BO, CY, MO, UNA
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


def test_a_deleted_request_is_unreadable_at_once_and_erased_by_the_sweep(
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


async def test_a_request_moved_to_another_organization_leaves_no_trace_in_the_old_one(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, db = staffed_portal, staffed_portal.desk.db
    ticket = portal.create_request(BO, f"About {MARKER}")
    message = portal.post_message(BO, ticket, f"Where is {MARKER}?")
    quay, loft = (f"org:{portal.organization_ids[slug]}" for slug in ("quay", "loft"))
    bo, store = portal.desk.person_id(BO), DiskStore(tmp_path / "files")
    file = (await Uploads(db, store, 1000).save_upload(bo, quay, "a.txt", yield_once(b"x"))).id
    sent = update_rows(files).where(files.c.id == file).values(ticket=ticket, message=message)
    db.write_sync(Connection.execute, sent)

    edit_database(db, f"UPDATE tickets SET workspace = '{loft}'")

    assert not [
        each
        for each in db.read_sync(read_after, 0, 1000)
        if each.workspace == quay and MARKER.encode() in each.frame.lower()
    ]
    await Eraser(db, store, []).sweep()
    assert MARKER not in "".join(read_data(db, log.c.workspace == quay)).lower()
    assert MARKER in "".join(read_data(db, log.c.workspace == loft)).lower(), "it moved there"
    assert portal.post_message(CY, ticket, "Ours now")
    portal.act_as(BO, offboarding.delete_organization, portal.organization_ids["quay"], "The Quay")
    await Eraser(db, store, []).sweep()
    assert await store.size(file) == 1, "it went along"


@pytest.mark.parametrize("way", ["edited", "deleted", "edited by SQL", "deleted by SQL"])
@pytest.mark.parametrize("kind", ["reply", "note"])
def test_the_old_text_of_an_edited_or_deleted_message_is_erased(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, kind: MessageKind, way: str
) -> None:
    portal, db = staffed_portal, staffed_portal.desk.db
    ticket = portal.create_request(BO, "The mast is dark")
    message = portal.post_message(ADA, ticket, f"Blame {MARKER}", kind)

    match way:
        case "edited":
            portal.act_as(ADA, post_message.edit_message, ticket, message, "Never mind")
        case "deleted":
            portal.act_as(ADA, post_message.delete_message, ticket, message)
        case "edited by SQL":
            edit_database(db, f"UPDATE messages SET text = 'Never mind' WHERE id = '{message}'")
        case _:
            edit_database(db, f"DELETE FROM messages WHERE id = '{message}'")

    assert MARKER.encode() not in read_frames(portal).lower()
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []
    newest = read_data(db, log.c.ticket == ticket)[-1]
    assert ("Never mind" in newest) == way.startswith("edited"), "the new text stays"


@pytest.mark.parametrize("way", ["action", "mark", "row"])
def test_a_deleted_organization_is_erased_with_its_content(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, way: str
) -> None:
    portal, db, quay = (
        staffed_portal,
        staffed_portal.desk.db,
        staffed_portal.organization_ids["quay"],
    )
    portal.act_as(BO, settings.update_profile, quay, name=MARKER, about=f"All of {MARKER}")
    portal.act_as(BO, categories.add_category, quay, f"{MARKER}s")
    portal.act_as(
        BO,
        invitations.invite,
        quay,
        "guest@desk.test",
        "member",
        compose_mail=lambda *_: MailContent(f"Invitation to {MARKER}", MARKER, MARKER),
    )
    for number in range(3):
        ticket = portal.create_request(BO, f"{MARKER} {number}", MARKER)
        portal.act_as(ADA, update.update, ticket, {"labels": [MARKER]})
    head = db.read_sync(read_head)

    match way:
        case "action":
            portal.act_as(BO, offboarding.delete_organization, quay, MARKER)
        case "mark":
            edit_database(db, f"UPDATE organizations SET deleted_at = 5 WHERE id = '{quay}'")
        case _:
            edit_database(
                db,
                f"DELETE FROM organization_members WHERE organization = '{quay}'",
                f"DELETE FROM invitations WHERE organization = '{quay}'",
                f"DELETE FROM categories WHERE organization = '{quay}'",
                f"DELETE FROM organizations WHERE id = '{quay}'",
            )

    sent = b"".join(
        each.frame for each in db.read_sync(read_after, 0, head) if "ticket." in each.type
    )
    assert MARKER.encode() not in sent.lower()
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []


def test_the_name_of_a_deleted_person_is_erased_everywhere(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, db, una = staffed_portal, staffed_portal.desk.db, staffed_portal.desk.person_id(UNA)
    rename = name_changes.rename_person
    db.write_sync(rename, una, MARKER.title(), portal.desk.now)
    ticket = portal.create_request(UNA, "Who has seen the mast?")
    portal.act_as(BO, update.add_watcher, portal.create_request(BO, "The crane"), una)
    assert f"{MARKER.title()}".encode() in read_frames(portal)

    db.write_sync(offboarding.delete_account, una, portal.desk.now + 1000)

    assert MARKER.title().encode() not in read_frames(portal)
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []
    assert "Who has seen the mast?" in "".join(read_data(db, log.c.ticket == ticket))


def test_an_erasure_resumes_after_its_process_was_killed(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal, db = staffed_portal, staffed_portal.desk.db
    ticket = portal.create_request(BO, MARKER, MARKER)
    for _ in range(5):
        portal.post_message(BO, ticket, MARKER)
    portal.act_as(MO, update.delete_request, ticket)
    [demand] = db.read_sync(list_erasures, 0)
    monkeypatch.setattr(erasure, "SLICE_SECONDS", 0)  # a page for each transaction
    monkeypatch.setattr(erasure, "PAGE_SIZE", 2)

    first = db.write_sync(erase_entries, demand.position)  # and then it is killed

    assert not first.is_finished
    assert "log.data" in find_marker(db, MARKER)
    assert MARKER.encode() not in read_frames(portal).lower()
    assert db.write_sync(trim_log, 2**60, 100) < demand.position, "it would be forgotten"
    sweep_erasures(db, tmp_path / "files")
    assert find_marker(db, MARKER) == []
    assert db.read_sync(list_erasures, 0) == []


async def test_two_servers_can_erase_at_once(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    portal, db, store = staffed_portal, staffed_portal.desk.db, DiskStore(tmp_path / "files")
    for _ in range(3):
        ticket = portal.create_request(BO, MARKER, MARKER)
        portal.post_message(ADA, ticket, MARKER)
        portal.act_as(MO, update.delete_request, ticket)

    await asyncio.gather(*(Eraser(db, store, []).sweep() for _ in range(2)))

    assert find_marker(db, MARKER) == []
    assert db.read_sync(list_erasures, 0) == []
    assert not [each for each in caplog.records if "erasure" in each.name]


async def test_the_bytes_and_name_of_a_deleted_file_are_erased(
    staffed_portal: StaffedPortalFixture, tmp_path: Path
) -> None:
    portal, db, store = staffed_portal, staffed_portal.desk.db, DiskStore(tmp_path / "files")
    bo, quay = portal.desk.person_id(BO), f"org:{portal.organization_ids['quay']}"
    tickets, sent = list[str](), list[str]()
    for _ in range(2):
        upload = Uploads(db, store, 1000).save_upload(bo, quay, MARKER, yield_once(b"x"))
        sent.append((await upload).id)
        tickets.append(portal.create_request(BO, "The mast"))
        message = MessageInput(new_id(), "See this", "reply", (sent[-1],))
        portal.act_as(BO, post_message.post_message, tickets[-1], message)

    portal.act_as(BO, post_message.delete_file, tickets[0], sent[0])
    portal.act_as(MO, update.delete_request, tickets[1])

    assert MARKER.encode() not in read_frames(portal)
    await Eraser(db, store, []).sweep()
    assert find_marker(db, MARKER) == []
    assert list((tmp_path / "files").glob("files/??/*")) == []


class BrokenStore(DiskStore):
    """A store that deletes nothing, as when its bucket is away."""

    async def delete(self, key: str) -> None:
        raise ConnectionError(key)


async def test_an_unavailable_store_delays_only_the_erasure_of_files(
    staffed_portal: StaffedPortalFixture, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    portal, db, folder = staffed_portal, staffed_portal.desk.db, tmp_path / "files"
    bo, quay = portal.desk.person_id(BO), f"org:{portal.organization_ids['quay']}"
    upload = Uploads(db, DiskStore(folder), 1000).save_upload(bo, quay, MARKER, yield_once(b"x"))
    file = (await upload).id
    for attached in ((file,), ()):
        ticket = portal.create_request(BO, MARKER)
        message = MessageInput(new_id(), MARKER, "reply", attached)
        portal.act_as(BO, post_message.post_message, ticket, message)
        portal.act_as(MO, update.delete_request, ticket)

    await Eraser(db, BrokenStore(folder), []).sweep()

    assert find_marker(db, MARKER) == []
    assert len(db.read_sync(list_erasures, 0)) == 1
    assert [each.getMessage() for each in caplog.records if "erasure" in each.name] == [
        f"1 erasures failed, retrying: ConnectionError('{file}')"
    ]
    await Eraser(db, DiskStore(folder), []).sweep()
    assert db.read_sync(list_erasures, 0) == []
    assert list(folder.glob("files/??/*")) == []


def edit_database(db: Database, *statements: str) -> None:
    """Run statements as another program would, and record what they changed."""

    def run(tx: Connection) -> None:
        for statement in statements:
            tx.exec_driver_sql(statement)

    db.write_sync(run)
    while db.write_sync(record_edits):
        pass


def read_data(db: Database, condition: ColumnElement[bool]) -> list[str]:
    """Return the data of the log's rows as they are stored."""
    query = select(log.c.data).where(condition).order_by(log.c.position)
    return db.read_sync(lambda tx: list(tx.execute(query).scalars()))


@pytest.mark.database("sqlite")
def test_finding_and_erasing_do_not_read_the_whole_log(
    staffed_portal: StaffedPortalFixture,
) -> None:
    portal, db = staffed_portal, staffed_portal.desk.db
    portal.act_as(MO, update.delete_request, portal.create_request(BO, "The mast"))
    [demand] = db.read_sync(list_erasures, 0)

    def explain(tx: Connection, statement: SelectBase) -> str:
        compiled = statement.compile(tx, compile_kwargs={"literal_binds": True})
        plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return " ".join(row.detail for row in plan if "outbox" not in row.detail)

    entries = erasure._where_in_scope(erasure._SELECT_ENTRIES, demand)
    assert "ix_log_ticket_position (ticket=?" in db.read_sync(explain, entries)
    assert "ix_log_erased_to" in db.read_sync(explain, log_module.DEMANDS)
