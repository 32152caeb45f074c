"""Test that a direct edit is a fact: older events do not undo it, and invalid values do no harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deskwire.cli.doctor import run_checks
from deskwire.direct_edits import processor, watcher
from deskwire.settings import load_settings
from tests.fixtures.cast import ADA, BO, HARBOUR_GUILD, MO, UNA
from tests.fixtures.live_guild import SUPPORT_ROLE, LiveGuildFixture, member_fields, open_live_guild
from tests.fixtures.running_desk import open_running_desk, run_sql_directly


@pytest.fixture
async def live_guild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveGuildFixture]:
    monkeypatch.setattr(watcher, "SQLITE_POLL_INTERVAL", 0.02)
    async with open_live_guild(tmp_path) as built:
        yield built


async def test_the_bots_next_event_does_not_undo_a_direct_edit(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database("UPDATE tickets SET priority = 'high', subject = 'Mine'")

    await live_guild.set_status("CLAIMED")

    assert live_guild.query_one("SELECT subject, priority, status FROM tickets") == (
        "Mine",
        "high",
        "active",
    )


async def test_an_edit_wins_over_older_events_and_loses_to_newer_ones(
    live_guild: LiveGuildFixture,
) -> None:
    before = live_guild.desk.clock
    await live_guild.desk.edit_database("UPDATE tickets SET status = 'review'")

    await live_guild.set_status("CLOSED", signed_at=before - 1)
    assert live_guild.query_one("SELECT status FROM tickets")[0] == "review"

    await live_guild.set_status("CLOSED")
    assert live_guild.query_one("SELECT status FROM tickets")[0] == "done"


async def test_a_directly_deleted_role_is_not_restored_by_an_older_event(
    live_guild: LiveGuildFixture,
) -> None:
    before = live_guild.desk.clock - 1000
    await live_guild.desk.edit_database("DELETE FROM role_members", "DELETE FROM roles")

    role: dict[str, Any] = {
        "roleId": SUPPORT_ROLE,
        "roleName": "Tickets Support",
        "action": "assigned",
    }
    await live_guild.desk.post_event(
        "team.member_assigned", sent_at=before, **member_fields(ADA), **role
    )
    await live_guild.post_message(1, BO)

    assert "ticket.message_sent" not in live_guild.read_new_types(ADA)


@pytest.mark.parametrize("guild", ["name = 'Mine'", f"owner = 'discord:{UNA.discord_id}'"])
async def test_an_older_event_does_not_undo_a_renamed_server(
    live_guild: LiveGuildFixture, guild: str
) -> None:
    before = live_guild.desk.clock
    await live_guild.desk.edit_database(f"UPDATE guilds SET {guild} WHERE id = '{HARBOUR_GUILD}'")

    fields: dict[str, Any] = {"guildName": "Old", "ownerId": MO.discord_id, "memberCount": 1}
    await live_guild.desk.post_event(
        "guild.joined", sent_at=before - 1, guildId=HARBOUR_GUILD, **fields
    )

    assert (
        live_guild.query_one(
            f"SELECT count(*) FROM guilds WHERE {guild} AND id = '{HARBOUR_GUILD}'"
        )[0]
        == 1
    )


async def test_edited_role_permissions_survive_the_bots_next_event(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database("UPDATE roles SET permissions = 0")

    role: dict[str, Any] = {
        "guildId": HARBOUR_GUILD,
        "roleId": SUPPORT_ROLE,
        "roleName": "Tickets Support",
    }
    changes: dict[str, Any] = {"permissions": {"added": ["TAG_USE"], "removed": []}}
    await live_guild.desk.post_event("team.role_updated", **role, action="updated", changes=changes)

    assert live_guild.query_one("SELECT permissions FROM roles")[0] == 1 << 22


async def test_a_directly_deleted_status_change_no_longer_counts(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.set_status("CLOSED")
    for actor in (ADA, BO):
        live_guild.read_new_events(actor)

    await live_guild.desk.edit_database("DELETE FROM messages WHERE type = 'ticket.status_changed'")

    assert live_guild.query_one("SELECT status FROM tickets")[0] == "new"
    assert "ticket.message_deleted" in live_guild.read_new_types(ADA)


# What cannot be


INVALID_EDITS = {
    "UPDATE tickets SET status = 'foo'": "status must be one of new, active",
    "UPDATE tickets SET tags = 'no json'": "tags must be a JSON list of strings",
    "UPDATE tickets SET tags = '{}'": "tags must be a JSON list of strings",
    "UPDATE tickets SET opened_at = 999999999999999999": "opened_at must be from 0",
    "UPDATE tickets SET active_at = -1": "active_at must be from 0",
    "UPDATE tickets SET workspace = 'nowhere'": "workspace must be guild:ID",
    "UPDATE roles SET bits = '[1'": "bits must be a JSON object such as {}",
    "UPDATE roles SET permissions = -1": "permissions must be from 0 to",
    "UPDATE guild_members SET permissions = 9000000000": "permissions must be from 0 to",
    "UPDATE messages SET kind = 'shout'": "kind must be one of reply, note, system",
    "UPDATE messages SET data = 'no json'": "data must be a JSON object",
    "UPDATE messages SET data = '{}' WHERE kind = 'system'": "data does not match its `type`",
    "UPDATE messages SET type = 'ticket.closed' WHERE kind = 'system'": "type does not match",
    "UPDATE messages SET side = 'left'": "side must be one of customer, staff, bot",
    "UPDATE messages SET ticket = 'gone' WHERE kind = 'reply'": "there is no ticket 'gone'",
    "UPDATE tickets SET workspace = 'guild:1'": "there is no server 1 here",
    "UPDATE roles SET guild = '1'": "there is no server 1 here",
    "INSERT INTO tickets (id, workspace, number, status, tags, messages, "
    f"opened_at, active_at) VALUES ('t', 'guild:{HARBOUR_GUILD}', 9, 'x', 'y', 0, 1, 1)": (
        "status must be one of"
    ),
    "INSERT INTO messages (id, ticket, kind, type, origin, author, at, data, html) SELECT 'm', id, "
    "'system', 'ticket.closed', '', '', 1, '{\"newStatus\": 5}', '' FROM tickets": (
        "type does not match the fields"
    ),
}


async def test_a_changed_primary_key_is_one_edit_however_short_a_batch_is(
    live_guild: LiveGuildFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "BATCH_TIME", 0.0)

    await live_guild.desk.edit_database("UPDATE roles SET guild = '1'")

    problems = [problem for problem in live_guild.read_change_problems() if problem is not None]
    assert "there is no server 1 here" in problems[0]


@pytest.mark.parametrize("statement", INVALID_EDITS)
async def test_an_invalid_edit_is_reverted_and_reported_once(
    live_guild: LiveGuildFixture, statement: str
) -> None:
    await live_guild.desk.edit_database(statement)

    problems = [problem for problem in live_guild.read_change_problems() if problem is not None]
    assert problems
    assert all(INVALID_EDITS[statement] in problem for problem in problems)
    settings = load_settings({"database_url": live_guild.desk.url})
    sentences = [each.sentence for each in await asyncio.to_thread(run_checks, settings)]
    assert any(problems[0] in sentence for sentence in sentences)
    live_guild.read_new_events(MO)
    await live_guild.set_status("CLAIMED")
    await live_guild.open_ticket(7, "Still at work")
    assert "ticket.created" in live_guild.read_new_types(MO)
    states = "SELECT count(*) FROM deliveries WHERE state <> 'done'"
    assert live_guild.query_one(states)[0] == 0


async def test_a_valid_value_clears_the_reported_problem(live_guild: LiveGuildFixture) -> None:
    await live_guild.desk.edit_database("UPDATE tickets SET status = 'foo'")
    assert len(live_guild.read_change_problems()) == 1

    await live_guild.desk.edit_database("UPDATE tickets SET status = 'review'")

    assert live_guild.read_change_problems() == []


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    "nonsense",
    ["subject = CAST(x'ff' AS TEXT)", "subject = x'ff'", "opened_at = 'noon'", "number = 1.5"],
)
async def test_a_value_of_the_wrong_sqlite_type_breaks_nothing(
    live_guild: LiveGuildFixture, nonsense: str
) -> None:
    await live_guild.desk.edit_database(f"UPDATE tickets SET {nonsense}")
    await live_guild.desk.edit_database("UPDATE guilds SET name = 'Pier'")

    assert live_guild.read_new_types(MO)[-1] == "guild.updated", "others are told of as ever"
    [problem] = live_guild.read_change_problems()
    assert problem


async def test_edits_made_while_no_server_ran_are_announced_at_startup(tmp_path: Path) -> None:
    async with open_live_guild(tmp_path) as live_guild:
        url = live_guild.desk.url
    run_sql_directly(url, "UPDATE tickets SET priority = 'high'")

    async with open_running_desk(tmp_path, url) as desk:
        await desk.wait_until_idle()
        last = "SELECT type, actor FROM log ORDER BY position DESC LIMIT 1"
        found = desk.db.read_sync(lambda tx: tx.exec_driver_sql(last).one())

    assert tuple(found) == ("ticket.updated", "sql")


async def test_a_row_deleted_with_revision_minus_1_makes_no_event(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database(
        "UPDATE messages SET revision = -1 WHERE kind = 'reply'",
        "DELETE FROM messages WHERE kind = 'reply'",
    )

    assert live_guild.read_new_types(ADA) == []
    assert live_guild.read_change_problems() == []


@pytest.mark.database("sqlite")
async def test_replacing_a_row_counts_as_an_edit(live_guild: LiveGuildFixture) -> None:
    """SQLite deletes the old row without a word, and the new one begins at revision 0."""
    before = live_guild.query_one("SELECT revision FROM tickets")[0]
    columns = (
        "id, workspace, number, sender_id, status, opener, tags, messages, opened_at, active_at"
    )
    await live_guild.desk.edit_database(
        f"INSERT OR REPLACE INTO tickets ({columns}, subject) SELECT {columns}, 'R' FROM tickets"
    )

    [(type_, data)] = live_guild.read_new_events(ADA)
    assert (type_, data["changes"]["subject"]["new"]) == ("ticket.updated", "R")
    assert data["revision"] > before
