"""What somebody changes in the database by hand reaches the open streams of who may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deskwire.direct_edits import watcher
from tests.fixtures.cast import ADA, ATTIC, BO, CY, HARBOUR, MO, UNA, Actor
from tests.fixtures.live_guild import GREETERS, SUPPORT, Harbour, open_harbour

PIER = "700000000000000003"


@pytest.fixture
async def harbour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harbour]:
    monkeypatch.setattr(watcher, "EVERY", 0.02)
    async with open_harbour(tmp_path) as built:
        yield built


@dataclass(frozen=True)
class Case:
    """An edit by hand, and what becomes of it."""

    statement: str
    type: str
    hearer: Actor


TICKET = f"SELECT id FROM tickets WHERE workspace = 'guild:{HARBOUR}'"
CASES = {
    "a guild is inserted": Case(
        "INSERT INTO guilds (id, name, owner, member_count, details_at, bot_installed, "
        f"presence_at, setup_at, created_at) VALUES ('{PIER}', 'Pier', 'discord:{MO.discord}', 3, "
        "0, TRUE, 0, 0, 1)",
        "guild.joined",
        MO,
    ),
    "a guild is updated": Case(
        f"UPDATE guilds SET name = 'Pier' WHERE id = '{HARBOUR}'", "guild.updated", ADA
    ),
    "the bot is marked as gone": Case(
        f"UPDATE guilds SET bot_installed = FALSE WHERE id = '{HARBOUR}'", "guild.left", ADA
    ),
    "a guild is deleted": Case(f"DELETE FROM guilds WHERE id = '{HARBOUR}'", "guild.deleted", ADA),
    "a role is inserted": Case(
        "INSERT INTO roles (guild, discord_role, name, named_at, made_at, deleted_at, bits, "
        f"active, permissions) VALUES ('{HARBOUR}', '{GREETERS}', 'Greeters', 0, 0, 0, '{{}}', "
        "TRUE, 0)",
        "team.role_created",
        MO,
    ),
    "a role is updated": Case(
        f"UPDATE roles SET permissions = 48 WHERE discord_role = '{SUPPORT}'",
        "team.role_updated",
        ADA,
    ),
    "a role is deleted": Case("DELETE FROM roles", "team.role_deleted", MO),
    "a membership is inserted": Case(
        "INSERT INTO role_members (guild, discord_role, principal, assigned, changed_at, active) "
        f"VALUES ('{HARBOUR}', '{SUPPORT}', 'discord:{UNA.discord}', TRUE, 0, TRUE)",
        "team.member_assigned",
        UNA,
    ),
    "a membership is updated": Case(
        "UPDATE role_members SET active = FALSE", "team.member_unassigned", MO
    ),
    "a membership is deleted": Case("DELETE FROM role_members", "team.member_unassigned", MO),
    "a member is inserted": Case(
        "INSERT INTO guild_members (guild, principal, left_at, permissions, permitted_at) "
        f"VALUES ('{HARBOUR}', 'discord:{BO.discord}', 0, 16, 0)",
        "member.role_changed",
        BO,
    ),
    "a member is updated": Case(
        "UPDATE guild_members SET permissions = 16", "member.role_changed", UNA
    ),
    "a member is marked as gone": Case("UPDATE guild_members SET left_at = 1", "member.left", UNA),
    "a member is deleted": Case("DELETE FROM guild_members", "member.role_changed", MO),
    "a ticket is inserted": Case(
        "INSERT INTO tickets (id, workspace, number, subject, status, tags, "
        f"messages, opened_at, active_at) VALUES ('t2', 'guild:{HARBOUR}', 2, 'Rope', 'new', "
        "'[]', 0, 5, 5)",
        "ticket.created",
        ADA,
    ),
    "a ticket's subject is updated": Case(
        "UPDATE tickets SET subject = 'The big crane'", "ticket.updated", BO
    ),
    "a ticket's status is updated": Case(
        "UPDATE tickets SET status = 'review'", "ticket.status_changed", ADA
    ),
    "a ticket is closed": Case("UPDATE tickets SET status = 'canceled'", "ticket.closed", ADA),
    "a ticket is assigned": Case(
        f"UPDATE tickets SET assignee = 'discord:{ADA.discord}'", "ticket.claimed", BO
    ),
    "a ticket is hidden": Case("UPDATE tickets SET deleted_at = 5", "ticket.deleted", ADA),
    "a ticket is deleted": Case("DELETE FROM tickets", "ticket.deleted", ADA),
    "a message is inserted": Case(
        "INSERT INTO messages (id, ticket, kind, type, origin, author, side, at, data, text, html) "
        f"SELECT 'm2', id, 'reply', 'ticket.message_sent', 'portal', 'discord:{ADA.discord}', "
        f"'staff', 7, '{{}}', 'On it', '<script>' FROM ({TICKET}) AS t",
        "ticket.message_sent",
        BO,
    ),
    "a message is updated": Case(
        "UPDATE messages SET text = 'It *really* hurts' WHERE kind = 'reply'",
        "ticket.message_edited",
        BO,
    ),
    "a message is deleted": Case(
        "DELETE FROM messages WHERE kind = 'reply'", "ticket.message_deleted", ADA
    ),
}


@pytest.mark.parametrize("what", CASES)
async def test_who_may_see_it_hears_and_an_outsider_does_not(harbour: Harbour, what: str) -> None:
    case = CASES[what]

    await harbour.desk.by_hand(case.statement)

    events = [each for each in harbour.heard(case.hearer) if each[0] not in ("granted", "revoked")]
    assert [type_ for type_, _ in events] == [case.type]
    assert events[0][1]["actor"] == "sql"
    assert events[0][1]["revision"] >= (2 if "inserted" not in what else 1)
    assert harbour.types(CY) == []
    assert harbour.notes() == []


async def test_an_edit_that_changes_nothing_is_not_told(harbour: Harbour) -> None:
    await harbour.desk.by_hand(
        "UPDATE tickets SET subject = subject", "UPDATE guilds SET name = name"
    )

    assert harbour.types(MO) == []
    assert harbour.notes() == []


async def test_several_edits_of_a_row_are_told_together(harbour: Harbour) -> None:
    await harbour.desk.by_hand(
        "UPDATE tickets SET priority = 'low'", "UPDATE tickets SET priority = 'high'"
    )

    [(_, data)] = harbour.heard(ADA)
    assert data["changes"] == {"priority": {"old": None, "new": "high"}}


async def test_what_comes_and_goes_at_once_is_not_told(harbour: Harbour) -> None:
    inserted = CASES["a ticket is inserted"].statement

    await harbour.desk.by_hand(inserted, "DELETE FROM tickets WHERE id = 't2'")

    assert harbour.types(ADA) == []
    assert harbour.notes() == []


async def test_the_html_of_a_message_is_made_from_its_text_whatever_is_written(
    harbour: Harbour,
) -> None:
    evil = "UPDATE messages SET text = 'a **b** <script>', html = '<script>' WHERE kind = 'reply'"

    await harbour.desk.by_hand(evil)

    [(_, data)] = harbour.heard(BO)
    assert "<strong>b</strong>" in data["line"]["html"]
    assert "<script" not in data["line"]["html"]
    assert "<script" not in harbour.one("SELECT html FROM messages WHERE kind = 'reply'")[0]


async def test_replies_are_counted_anew(harbour: Harbour) -> None:
    await harbour.desk.by_hand("UPDATE tickets SET messages = 99")
    assert harbour.one("SELECT messages FROM tickets")[0] == 1

    await harbour.desk.by_hand("DELETE FROM messages WHERE kind = 'reply'")
    assert harbour.one("SELECT messages FROM tickets")[0] == 0


async def test_a_note_reaches_nobody_who_is_not_staff(harbour: Harbour) -> None:
    """No screen shows notes yet; a reply that becomes one is gone."""
    await harbour.desk.by_hand("UPDATE messages SET kind = 'note' WHERE kind = 'reply'")
    assert harbour.types(BO) == ["ticket.message_deleted"]

    await harbour.desk.by_hand("UPDATE messages SET text = 'a secret' WHERE kind = 'note'")
    assert harbour.types(BO) == []


async def test_a_membership_taken_by_hand_silences_at_once(harbour: Harbour) -> None:
    await harbour.desk.by_hand("DELETE FROM role_members")
    assert "revoked" in harbour.types(ADA)

    await harbour.say(1, BO)
    assert harbour.types(ADA) == []
    assert harbour.types(MO)[-1] == "ticket.message_sent"


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM roles", "UPDATE roles SET active = FALSE", "UPDATE roles SET permissions = 0"],
)
async def test_a_role_taken_by_hand_silences_who_holds_it(harbour: Harbour, statement: str) -> None:
    await harbour.desk.by_hand(statement)
    assert "revoked" in harbour.types(ADA)

    await harbour.say(1, BO)
    assert harbour.types(ADA) == []


async def test_a_permission_taken_by_hand_silences(harbour: Harbour) -> None:
    await harbour.desk.by_hand("UPDATE guild_members SET permissions = 16")
    assert "granted" in harbour.types(UNA)

    await harbour.desk.by_hand("DELETE FROM guild_members")
    assert "revoked" in harbour.types(UNA)
    await harbour.say(1, BO)
    assert harbour.types(UNA) == []


async def test_a_new_owner_by_hand_hears_and_the_old_one_does_not(harbour: Harbour) -> None:
    await harbour.desk.by_hand(
        f"UPDATE guilds SET owner = 'discord:{UNA.discord}' WHERE id = '{HARBOUR}'"
    )
    assert {"guild.updated", "granted"} <= set(harbour.types(UNA))
    assert harbour.types(MO)[-1] == "revoked"

    await harbour.say(1, BO)
    assert harbour.types(MO) == []
    assert harbour.types(UNA) == ["ticket.message_sent"]


async def test_a_ticket_given_to_another_server_goes_there_from_those_it_leaves(
    harbour: Harbour,
) -> None:
    await harbour.desk.by_hand(f"UPDATE tickets SET workspace = 'guild:{ATTIC}'")

    assert harbour.types(ADA) == ["ticket.deleted"]
    assert harbour.types(CY) == ["ticket.created"]
    assert harbour.types(BO)[-1] == "ticket.created", "who takes part goes with it"


async def test_another_opener_hears_a_ticket_and_the_one_before_does_not(harbour: Harbour) -> None:
    await harbour.desk.by_hand(f"UPDATE tickets SET opener = 'discord:{UNA.discord}'")
    assert "granted" in harbour.types(UNA)
    assert "revoked" in harbour.types(BO)

    await harbour.say(1, MO)
    assert harbour.types(BO) == []
    assert harbour.types(UNA) == ["ticket.message_sent"]


async def test_a_ticket_that_was_hidden_comes_back(harbour: Harbour) -> None:
    await harbour.desk.by_hand("UPDATE tickets SET deleted_at = 5")
    assert harbour.types(BO)[-1] == "revoked"

    await harbour.desk.by_hand("UPDATE tickets SET deleted_at = NULL")

    assert harbour.types(ADA) == ["ticket.deleted", "ticket.created"]
    assert "granted" in harbour.types(BO)
