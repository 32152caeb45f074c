"""An edit by hand is a fact: older ones do not undo it, later ones do; nonsense harms nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deskwire.cli.doctor import examine
from deskwire.direct_edits import watcher
from deskwire.settings import load
from tests.fixtures.cast import ADA, BO, HARBOUR, MO, UNA
from tests.fixtures.live_guild import SUPPORT, Harbour, open_harbour, who
from tests.fixtures.running_desk import by_hand, running_desk


@pytest.fixture
async def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harbour]:
    monkeypatch.setattr(watcher, "EVERY", 0.02)
    async with open_harbour(tmp_path) as built:
        yield built


async def test_the_next_event_of_the_bot_does_not_undo_an_edit(harbour: Harbour) -> None:
    await harbour.desk.by_hand("UPDATE tickets SET priority = 'high', subject = 'Mine'")

    await harbour.move("CLAIMED")

    assert harbour.one("SELECT subject, priority, status FROM tickets") == (
        "Mine",
        "high",
        "active",
    )


async def test_an_edit_stands_against_what_was_signed_before_it_and_yields_to_what_comes_after(
    harbour: Harbour,
) -> None:
    before = harbour.desk.clock
    await harbour.desk.by_hand("UPDATE tickets SET status = 'review'")

    await harbour.move("CLOSED", at=before - 1)
    assert harbour.one("SELECT status FROM tickets")[0] == "review"

    await harbour.move("CLOSED")
    assert harbour.one("SELECT status FROM tickets")[0] == "done"


async def test_what_was_deleted_by_hand_is_not_given_again_by_an_older_event(
    harbour: Harbour,
) -> None:
    before = harbour.desk.clock - 1000
    await harbour.desk.by_hand("DELETE FROM role_members", "DELETE FROM roles")

    role: dict[str, Any] = {"roleId": SUPPORT, "roleName": "Tickets Support", "action": "assigned"}
    await harbour.desk.post("team.member_assigned", at=before, **who(ADA), **role)
    await harbour.say(1, BO)

    assert "ticket.message_sent" not in harbour.types(ADA)


@pytest.mark.parametrize("guild", ["name = 'Mine'", f"owner = 'discord:{UNA.discord}'"])
async def test_an_older_event_does_not_rename_a_server_back(harbour: Harbour, guild: str) -> None:
    before = harbour.desk.clock
    await harbour.desk.by_hand(f"UPDATE guilds SET {guild} WHERE id = '{HARBOUR}'")

    told: dict[str, Any] = {"guildName": "Old", "ownerId": MO.discord, "memberCount": 1}
    await harbour.desk.post("guild.joined", at=before - 1, guildId=HARBOUR, **told)

    assert harbour.one(f"SELECT count(*) FROM guilds WHERE {guild} AND id = '{HARBOUR}'")[0] == 1


async def test_permissions_of_a_role_stand_when_the_bot_tells_of_it_again(harbour: Harbour) -> None:
    await harbour.desk.by_hand("UPDATE roles SET permissions = 0")

    role: dict[str, Any] = {"guildId": HARBOUR, "roleId": SUPPORT, "roleName": "Tickets Support"}
    changes: dict[str, Any] = {"permissions": {"added": ["TAG_USE"], "removed": []}}
    await harbour.desk.post("team.role_updated", **role, action="updated", changes=changes)

    assert harbour.one("SELECT permissions FROM roles")[0] == 1 << 22


async def test_a_fact_deleted_by_hand_is_folded_no_more(harbour: Harbour) -> None:
    await harbour.move("CLOSED")
    for actor in (ADA, BO):
        harbour.heard(actor)

    await harbour.desk.by_hand("DELETE FROM messages WHERE type = 'ticket.status_changed'")

    assert harbour.one("SELECT status FROM tickets")[0] == "new"
    assert "ticket.message_deleted" in harbour.types(ADA)


# What cannot be


NONSENSE = {
    "UPDATE tickets SET status = 'foo'": "status must be one of new, active",
    "UPDATE tickets SET tags = 'no json'": "tags must be a JSON list of texts",
    "UPDATE tickets SET tags = '{}'": "tags must be a JSON list of texts",
    "UPDATE tickets SET opened_at = 999999999999999999": "opened_at must be from 0",
    "UPDATE tickets SET active_at = -1": "active_at must be from 0",
    "UPDATE tickets SET workspace = 'nowhere'": "workspace must be guild:ID",
    "UPDATE roles SET bits = '[1'": "bits must be JSON like {}",
    "UPDATE roles SET permissions = -1": "permissions must be from 0 to",
    "UPDATE guild_members SET permissions = 9000000000": "permissions must be from 0 to",
    "UPDATE messages SET kind = 'shout'": "kind must be one of reply, note, system",
    "UPDATE messages SET data = 'no json'": "data must be a JSON object",
    "UPDATE messages SET data = '{}' WHERE kind = 'system'": "data does not tell what its `type`",
    "UPDATE messages SET type = 'ticket.closed' WHERE kind = 'system'": "type is no fact",
    "UPDATE messages SET side = 'left'": "side must be one of customer, staff, bot",
    "UPDATE messages SET ticket = 'gone' WHERE kind = 'reply'": "there is no ticket 'gone'",
    "UPDATE tickets SET workspace = 'guild:1'": "there is no server 1 here",
    "UPDATE roles SET guild = '1'": "there is no server 1 here",
    "INSERT INTO tickets (id, workspace, number, status, tags, messages, "
    f"opened_at, active_at) VALUES ('t', 'guild:{HARBOUR}', 9, 'x', 'y', 0, 1, 1)": (
        "status must be one of"
    ),
    "INSERT INTO messages (id, ticket, kind, type, origin, author, at, data, html) SELECT 'm', id, "
    "'system', 'ticket.closed', '', '', 1, '{\"newStatus\": 5}', '' FROM tickets": (
        "type is no fact"
    ),
}


@pytest.mark.parametrize("statement", NONSENSE)
async def test_what_cannot_be_is_put_back_said_once_and_breaks_nothing(
    harbour: Harbour, statement: str
) -> None:
    await harbour.desk.by_hand(statement)

    problems = [problem for problem in harbour.notes() if problem is not None]
    assert problems
    assert all(NONSENSE[statement] in problem for problem in problems)
    said = [each.sentence for each in examine(load({"database_url": harbour.desk.url}))]
    assert any(problems[0] in sentence for sentence in said)
    harbour.heard(MO)
    await harbour.move("CLAIMED")
    await harbour.open_ticket(7, "Still at work")
    assert "ticket.created" in harbour.types(MO)
    states = "SELECT count(*) FROM deliveries WHERE state <> 'done'"
    assert harbour.one(states)[0] == 0


async def test_a_value_that_can_be_ends_the_matter(harbour: Harbour) -> None:
    await harbour.desk.by_hand("UPDATE tickets SET status = 'foo'")
    assert len(harbour.notes()) == 1

    await harbour.desk.by_hand("UPDATE tickets SET status = 'review'")

    assert harbour.notes() == []


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    "nonsense",
    ["subject = CAST(x'ff' AS TEXT)", "subject = x'ff'", "opened_at = 'noon'", "number = 1.5"],
)
async def test_what_sqlite_keeps_in_a_column_of_another_type_breaks_nothing(
    harbour: Harbour, nonsense: str
) -> None:
    await harbour.desk.by_hand(f"UPDATE tickets SET {nonsense}")
    await harbour.desk.by_hand("UPDATE guilds SET name = 'Pier'")

    assert harbour.types(MO)[-1] == "guild.updated", "others are told of as ever"
    [problem] = harbour.notes()
    assert problem


async def test_what_was_changed_while_nobody_served_is_told_at_the_start(tmp_path: Path) -> None:
    async with open_harbour(tmp_path) as harbour:
        url = harbour.desk.url
    by_hand(url, "UPDATE tickets SET priority = 'high'")

    async with running_desk(tmp_path, url) as desk:
        await desk.settle()
        last = "SELECT type, actor FROM log ORDER BY position DESC LIMIT 1"
        found = desk.db.read_here(lambda tx: tx.exec_driver_sql(last).one())

    assert tuple(found) == ("ticket.updated", "sql")


async def test_who_deletes_a_row_of_ours_marks_it_before(harbour: Harbour) -> None:
    await harbour.desk.by_hand(
        "UPDATE messages SET revision = -1 WHERE kind = 'reply'",
        "DELETE FROM messages WHERE kind = 'reply'",
    )

    assert harbour.types(ADA) == []
    assert harbour.notes() == []


@pytest.mark.database("sqlite")
async def test_replacing_a_row_is_changing_it(harbour: Harbour) -> None:
    """SQLite deletes the old row without a word, and the new one begins at revision 0."""
    before = harbour.one("SELECT revision FROM tickets")[0]
    columns = (
        "id, workspace, number, sender_id, status, opener, tags, messages, opened_at, active_at"
    )
    await harbour.desk.by_hand(
        f"INSERT OR REPLACE INTO tickets ({columns}, subject) SELECT {columns}, 'R' FROM tickets"
    )

    [(type_, data)] = harbour.heard(ADA)
    assert (type_, data["changes"]["subject"]["new"]) == ("ticket.updated", "R")
    assert data["revision"] > before
