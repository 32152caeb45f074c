"""Test that direct edits of the database reach the open streams of those who may see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deskwire.direct_edits import watcher
from tests.fixtures.cast import ADA, ATTIC_GUILD, BO, CY, HARBOUR_GUILD, MO, UNA, Persona
from tests.fixtures.live_guild import GREETERS_ROLE, SUPPORT_ROLE, LiveGuildFixture, open_live_guild

PIER_GUILD = "700000000000000003"


@pytest.fixture
async def live_guild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LiveGuildFixture]:
    monkeypatch.setattr(watcher, "SQLITE_POLL_INTERVAL", 0.02)
    async with open_live_guild(tmp_path) as built:
        yield built


@dataclass(frozen=True)
class EditCase:
    """A direct edit, the type of its event, and a persona who hears it."""

    statement: str
    type: str
    listener: Persona


TICKET = f"SELECT id FROM tickets WHERE workspace = 'guild:{HARBOUR_GUILD}'"
CASES = {
    "a guild is inserted": EditCase(
        "INSERT INTO guilds (id, name, owner, member_count, details_at, bot_installed, "
        f"presence_at, setup_at, created_at) VALUES ('{PIER_GUILD}', 'Pier', "
        f"'discord:{MO.discord_id}', 3, 0, TRUE, 0, 0, 1)",
        "guild.joined",
        MO,
    ),
    "a guild is updated": EditCase(
        f"UPDATE guilds SET name = 'Pier' WHERE id = '{HARBOUR_GUILD}'", "guild.updated", ADA
    ),
    "the bot is marked as gone": EditCase(
        f"UPDATE guilds SET bot_installed = FALSE WHERE id = '{HARBOUR_GUILD}'", "guild.left", ADA
    ),
    "a guild is deleted": EditCase(
        f"DELETE FROM guilds WHERE id = '{HARBOUR_GUILD}'", "guild.deleted", ADA
    ),
    "a role is inserted": EditCase(
        "INSERT INTO roles (guild, discord_role, name, named_at, made_at, deleted_at, bits, "
        f"active, permissions) VALUES ('{HARBOUR_GUILD}', '{GREETERS_ROLE}', "
        "'Greeters', 0, 0, 0, '{}', TRUE, 0)",
        "team.role_created",
        MO,
    ),
    "a role is updated": EditCase(
        f"UPDATE roles SET permissions = 48 WHERE discord_role = '{SUPPORT_ROLE}'",
        "team.role_updated",
        ADA,
    ),
    "a role is deleted": EditCase("DELETE FROM roles", "team.role_deleted", MO),
    "a membership is inserted": EditCase(
        "INSERT INTO role_members (guild, discord_role, principal, assigned, changed_at, active) "
        f"VALUES ('{HARBOUR_GUILD}', '{SUPPORT_ROLE}', 'discord:{UNA.discord_id}', TRUE, 0, TRUE)",
        "team.member_assigned",
        UNA,
    ),
    "a membership is updated": EditCase(
        "UPDATE role_members SET active = FALSE", "team.member_unassigned", MO
    ),
    "a membership is deleted": EditCase("DELETE FROM role_members", "team.member_unassigned", MO),
    "a member is inserted": EditCase(
        "INSERT INTO guild_members (guild, principal, left_at, permissions, permitted_at) "
        f"VALUES ('{HARBOUR_GUILD}', 'discord:{BO.discord_id}', 0, 16, 0)",
        "member.role_changed",
        BO,
    ),
    "a member is updated": EditCase(
        "UPDATE guild_members SET permissions = 16", "member.role_changed", UNA
    ),
    "a member is marked as gone": EditCase(
        "UPDATE guild_members SET left_at = 1", "member.left", UNA
    ),
    "a member is deleted": EditCase("DELETE FROM guild_members", "member.role_changed", MO),
    "a ticket is inserted": EditCase(
        "INSERT INTO tickets (id, workspace, number, subject, status, tags, "
        f"messages, opened_at, active_at) VALUES ('t2', 'guild:{HARBOUR_GUILD}', 2, 'Rope', 'new', "
        "'[]', 0, 5, 5)",
        "ticket.created",
        ADA,
    ),
    "a ticket's subject is updated": EditCase(
        "UPDATE tickets SET subject = 'The big crane'", "ticket.updated", BO
    ),
    "a ticket's status is updated": EditCase(
        "UPDATE tickets SET status = 'review'", "ticket.status_changed", ADA
    ),
    "a ticket is closed": EditCase("UPDATE tickets SET status = 'canceled'", "ticket.closed", ADA),
    "a ticket is assigned": EditCase(
        f"UPDATE tickets SET assignee = 'discord:{ADA.discord_id}'", "ticket.claimed", BO
    ),
    "a ticket is hidden": EditCase("UPDATE tickets SET deleted_at = 5", "ticket.deleted", ADA),
    "a ticket is deleted": EditCase("DELETE FROM tickets", "ticket.deleted", ADA),
    "a message is inserted": EditCase(
        "INSERT INTO messages (id, ticket, kind, type, origin, author, side, at, data, text, html) "
        f"SELECT 'm2', id, 'reply', 'ticket.message_sent', 'portal', 'discord:{ADA.discord_id}', "
        f"'staff', 7, '{{}}', 'On it', '<script>' FROM ({TICKET}) AS t",
        "ticket.message_sent",
        BO,
    ),
    "a message is updated": EditCase(
        "UPDATE messages SET text = 'It *really* hurts' WHERE kind = 'reply'",
        "ticket.message_edited",
        BO,
    ),
    "a message is deleted": EditCase(
        "DELETE FROM messages WHERE kind = 'reply'", "ticket.message_deleted", ADA
    ),
}


@pytest.mark.parametrize("what", CASES)
async def test_a_direct_edit_reaches_its_viewers_and_no_outsider(
    live_guild: LiveGuildFixture, what: str
) -> None:
    case = CASES[what]

    await live_guild.desk.edit_database(case.statement)

    events = [
        each
        for each in live_guild.read_new_events(case.listener)
        if each[0] not in ("granted", "revoked")
    ]
    assert [type_ for type_, _ in events] == [case.type]
    assert events[0][1]["actor"] == "sql"
    assert events[0][1]["revision"] >= (2 if "inserted" not in what else 1)
    assert live_guild.read_new_types(CY) == []
    assert live_guild.read_change_problems() == []


async def test_an_edit_that_changes_nothing_makes_no_event(live_guild: LiveGuildFixture) -> None:
    await live_guild.desk.edit_database(
        "UPDATE tickets SET subject = subject", "UPDATE guilds SET name = name"
    )

    assert live_guild.read_new_types(MO) == []
    assert live_guild.read_change_problems() == []


async def test_several_edits_of_a_row_make_one_event(live_guild: LiveGuildFixture) -> None:
    await live_guild.desk.edit_database(
        "UPDATE tickets SET priority = 'low'", "UPDATE tickets SET priority = 'high'"
    )

    [(_, data)] = live_guild.read_new_events(ADA)
    assert data["changes"] == {"priority": {"old": None, "new": "high"}}


async def test_a_row_inserted_and_deleted_at_once_is_not_announced(
    live_guild: LiveGuildFixture,
) -> None:
    inserted = CASES["a ticket is inserted"].statement

    await live_guild.desk.edit_database(inserted, "DELETE FROM tickets WHERE id = 't2'")

    assert live_guild.read_new_types(ADA) == []
    assert live_guild.read_change_problems() == []


async def test_the_html_of_an_edited_message_is_rendered_from_its_text(
    live_guild: LiveGuildFixture,
) -> None:
    evil = "UPDATE messages SET text = 'a **b** <script>', html = '<script>' WHERE kind = 'reply'"

    await live_guild.desk.edit_database(evil)

    [(_, data)] = live_guild.read_new_events(BO)
    assert "<strong>b</strong>" in data["line"]["html"]
    assert "<script" not in data["line"]["html"]
    assert (
        "<script" not in live_guild.query_one("SELECT html FROM messages WHERE kind = 'reply'")[0]
    )


async def test_replies_are_counted_again_after_an_edit(live_guild: LiveGuildFixture) -> None:
    await live_guild.desk.edit_database("UPDATE tickets SET messages = 99")
    assert live_guild.query_one("SELECT messages FROM tickets")[0] == 1

    await live_guild.desk.edit_database("DELETE FROM messages WHERE kind = 'reply'")
    assert live_guild.query_one("SELECT messages FROM tickets")[0] == 0


async def test_an_edited_note_reaches_staff_only(live_guild: LiveGuildFixture) -> None:
    """No screen shows notes yet; a reply that becomes one is gone."""
    await live_guild.desk.edit_database("UPDATE messages SET kind = 'note' WHERE kind = 'reply'")
    assert live_guild.read_new_types(BO) == ["ticket.message_deleted"]

    await live_guild.desk.edit_database("UPDATE messages SET text = 'a secret' WHERE kind = 'note'")
    assert live_guild.read_new_types(BO) == []


async def test_deleting_a_membership_row_ends_access_at_once(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database("DELETE FROM role_members")
    assert "revoked" in live_guild.read_new_types(ADA)

    await live_guild.post_message(1, BO)
    assert live_guild.read_new_types(ADA) == []
    assert live_guild.read_new_types(MO)[-1] == "ticket.message_sent"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM roles", "UPDATE roles SET active = FALSE", "UPDATE roles SET permissions = 0"],
)
async def test_deleting_a_role_row_ends_the_access_of_its_holders(
    live_guild: LiveGuildFixture, statement: str
) -> None:
    await live_guild.desk.edit_database(statement)
    assert "revoked" in live_guild.read_new_types(ADA)

    await live_guild.post_message(1, BO)
    assert live_guild.read_new_types(ADA) == []


async def test_removing_a_permission_directly_ends_access(live_guild: LiveGuildFixture) -> None:
    await live_guild.desk.edit_database("UPDATE guild_members SET permissions = 16")
    assert "granted" in live_guild.read_new_types(UNA)

    await live_guild.desk.edit_database("DELETE FROM guild_members")
    assert "revoked" in live_guild.read_new_types(UNA)
    await live_guild.post_message(1, BO)
    assert live_guild.read_new_types(UNA) == []


async def test_a_directly_changed_owner_gains_access_and_the_old_one_loses_it(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database(
        f"UPDATE guilds SET owner = 'discord:{UNA.discord_id}' WHERE id = '{HARBOUR_GUILD}'"
    )
    assert {"guild.updated", "granted"} <= set(live_guild.read_new_types(UNA))
    assert live_guild.read_new_types(MO)[-1] == "revoked"

    await live_guild.post_message(1, BO)
    assert live_guild.read_new_types(MO) == []
    assert live_guild.read_new_types(UNA) == ["ticket.message_sent"]


async def test_a_ticket_moved_to_another_server_leaves_the_old_viewers(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database(f"UPDATE tickets SET workspace = 'guild:{ATTIC_GUILD}'")

    assert live_guild.read_new_types(ADA) == ["ticket.deleted"]
    assert live_guild.read_new_types(CY) == ["ticket.created"]
    assert live_guild.read_new_types(BO)[-1] == "ticket.created", "who takes part goes with it"


async def test_a_directly_changed_opener_gains_the_ticket_and_the_old_one_loses_it(
    live_guild: LiveGuildFixture,
) -> None:
    await live_guild.desk.edit_database(f"UPDATE tickets SET opener = 'discord:{UNA.discord_id}'")
    assert "granted" in live_guild.read_new_types(UNA)
    assert "revoked" in live_guild.read_new_types(BO)

    await live_guild.post_message(1, MO)
    assert live_guild.read_new_types(BO) == []
    assert live_guild.read_new_types(UNA) == ["ticket.message_sent"]


async def test_a_ticket_whose_deletion_is_undone_reappears(live_guild: LiveGuildFixture) -> None:
    await live_guild.desk.edit_database("UPDATE tickets SET deleted_at = 5")
    assert live_guild.read_new_types(BO)[-1] == "revoked"

    await live_guild.desk.edit_database("UPDATE tickets SET deleted_at = NULL")

    assert live_guild.read_new_types(ADA) == ["ticket.deleted", "ticket.created"]
    assert "granted" in live_guild.read_new_types(BO)
