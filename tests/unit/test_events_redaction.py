"""Test that deleted content is removed from log entries, while the rest stays in position."""

from __future__ import annotations

import json

from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame, read_event_json
from deskwire.events.log import Entry
from deskwire.realtime.backfill import LogPages
from deskwire.realtime.buffer import EventBuffer
from tests.fixtures.hub import EPOCH


def make_entry(position: int, type_: str, workspace: str | None = None, **data: object) -> Entry:
    frame = event_frame(Cursor(EPOCH, position), type_, json.dumps(data), position)
    ticket = str(data["ticket"]) if "ticket" in data else None
    return Entry(position, type_, ("staff",), ("user:1",), workspace, position, frame, ticket)


def test_a_removed_file_and_nothing_else_is_redacted_from_a_resume() -> None:
    buffer = EventBuffer()
    sent = [{"id": "f1", "name": "secret.txt"}, {"id": "f2", "name": "kept.txt"}]
    buffer.append(
        make_entry(1, "ticket.message_sent", line={"id": "m", "html": "Hi", "files": sent})
    )
    buffer.append(make_entry(2, "ticket.file_added", file=sent[0], message="m"))
    buffer.append(make_entry(3, "ticket.file_added", file=sent[1], message="m"))

    buffer.append(make_entry(4, "ticket.file_removed", file="f1"))

    frames = [entry.frame for entry in buffer.entries_after(0)]
    assert not [frame for frame in frames if b"secret" in frame]
    line, *added = (json.loads(read_event_json(frame))["data"] for frame in frames[:3])
    assert line["line"] == {"id": "m", "html": "Hi", "files": [sent[1]]}
    assert [each["file"]["name"] for each in added] == ["", "kept.txt"]


def test_the_owner_of_a_deleted_account_is_a_former_member_in_a_resume() -> None:
    buffer = EventBuffer()
    una, bo = {"id": "p1", "name": "Una & Co", "picture": "/a"}, {"id": "p2", "name": "Una & Co"}
    line = {"id": "m", "kind": "system", "html": "assigned it to Una &amp; Co", "author": bo}
    buffer.append(make_entry(1, "ticket.assigned", now={"assignee": una, "opener": bo}, line=line))
    buffer.append(make_entry(2, "ticket.message_sent", authorId="p1", authorUsername="Una & Co"))

    buffer.append(make_entry(3, "person.changed", person="p1", name="Una", revision=2))
    kept_frames = [entry.frame for entry in buffer.entries_after(0)]
    buffer.append(make_entry(4, "person.changed", person="p1", name="Former member", erased="p1"))

    frames = [entry.frame for entry in buffer.entries_after(0)]
    data = [json.loads(read_event_json(frame))["data"] for frame in frames]
    assert b"Una & Co" in kept_frames[1], "another name is no redaction"
    assert data[0]["now"] == {"assignee": {"id": "p1", "name": "Former member"}, "opener": bo}
    assert data[0]["line"] == {**line, "html": "assigned it to Former member"}
    assert data[1]["authorUsername"] == data[2]["name"] == "Former member"


def test_earlier_events_of_a_deleted_organization_are_not_sent() -> None:
    buffer = EventBuffer()
    buffer.append(make_entry(1, "ticket.created", "org:1", subject="secret"))
    buffer.append(make_entry(2, "ticket.created", "org:2", subject="kept"))
    buffer.append(make_entry(3, "member.joined", "org:1", role="member"))

    buffer.append(make_entry(4, "organization.deleted", "org:1", organization="1", name="The Quay"))

    entries = list(buffer.entries_after(0))
    assert [each.position for each in entries] == [1, 2, 3, 4]
    assert [each.channels for each in entries] == [(), ("staff",), ("staff",), ("staff",)]
    assert [each.access_changes for each in entries] == [("user:1",)] * 4
    assert not [each for each in entries if b"secret" in each.frame]


def test_of_a_deleted_ticket_only_the_deletion_is_sent() -> None:
    buffer = EventBuffer()
    buffer.append(make_entry(1, "ticket.created", "org:1", ticket="t", subject="secret"))
    buffer.append(make_entry(2, "ticket.created", "org:1", ticket="u", subject="kept"))
    buffer.append(make_entry(3, "ticket.updated", "org:2", ticket="t", subject="moved here since"))

    buffer.append(make_entry(4, "ticket.deleted", "org:1", ticket="t", now={"number": 7}))

    entries = list(buffer.entries_after(0))
    assert [each.position for each in entries] == [1, 2, 3, 4]
    assert [bool(each.channels) for each in entries] == [False, True, True, True]
    assert b"secret" not in b"".join(each.frame for each in entries)


async def test_entries_read_before_a_deletion_are_not_sent_after_it() -> None:
    buffer = EventBuffer()
    entries = [make_entry(position, "ticket.created", "org:1", ticket="t") for position in (1, 2)]
    buffer.load([make_entry(3, "ticket.updated", "org:1", ticket="u")], 3)

    async def read_after(_position: int, _limit: int) -> list[Entry]:
        return entries

    pages = LogPages(read_after, buffer)
    await pages.load(0)
    assert pages.has(0)

    buffer.append(make_entry(4, "ticket.deleted", "org:1", ticket="t", now={"number": 7}))

    assert not pages.has(0), "it is read again"
