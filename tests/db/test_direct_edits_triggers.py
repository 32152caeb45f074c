"""Test that Deskwire's own writes are never taken for direct edits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select

from deskwire.accounts.purge import delete_expired
from deskwire.direct_edits.change_log import outside_changes
from deskwire.direct_edits.processor import record_edits
from deskwire.events import log
from deskwire.events.retention import trim_log
from deskwire.integrations.discord import translate
from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.integrations.discord.samples import build_sample_data
from deskwire.kit.clock import now
from deskwire.server import admin_commands
from deskwire.webhooks.deliveries import delete_settled
from deskwire.webhooks.source import Delivery
from deskwire.workspaces.guilds.guilds import guilds
from tests.fixtures.cast import ADA, BO, CAST, DEE, HARBOUR_GUILD, DeskFixture, create_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskFixture]:
    built = create_desk(tmp_path)
    yield built
    built.db.close()


def read_changes(tx: Connection) -> list[Any]:
    return list(tx.execute(select(outside_changes)).all())


@pytest.mark.parametrize("type_", sorted(PAYLOADS))
def test_the_bots_events_are_never_taken_for_direct_edits(desk: DeskFixture, type_: str) -> None:
    for nth, at in enumerate((now(), now() - 10_000_000, now())):
        event = {"type": type_, "data": build_sample_data(type_)}
        desk.db.write_sync(translate.apply_delivery, Delivery(nth, at, {"event": event}))

    assert desk.db.read_sync(read_changes) == []


def test_a_day_of_portal_actions_is_never_taken_for_direct_edits(desk: DeskFixture) -> None:
    for number in (1, 2):
        desk.open_ticket(number, "The crane is stuck")
        desk.post_message(number, BO, "It hurts")
        desk.claim_ticket(number)
        desk.set_ticket_status(number, "PENDING")
        desk.update_ticket(number, subject={"old": "a", "new": "b"}, tags={"added": ["x"]})
        desk.close_ticket(number)
    desk.delete_ticket(2)
    desk.send_role_event("team.role_created")
    desk.send_role_event("team.role_updated")
    desk.send_role_event("team.role_deleted")
    desk.unassign_role(ADA)
    desk.remove_member(DEE)
    desk.leave_guild()
    permit = {"guild": HARBOUR_GUILD, "discord": BO.discord_id, "permissions": ["TAG_USE"]}
    desk.db.write_sync(admin_commands.execute_command, "guilds.permit", permit)
    for actor in CAST[:2]:
        desk.db.write_sync(admin_commands.execute_command, "people.unlink", {"email": actor.email})
    desk.db.write_sync(delete_expired, now())
    desk.db.write_sync(trim_log, now() + 1, 100)
    desk.db.write_sync(delete_settled, now() + 1, 100)

    assert desk.db.read_sync(read_changes) == []


def test_recording_a_direct_edit_is_not_itself_a_direct_edit(desk: DeskFixture) -> None:
    desk.open_ticket(1, "The crane is stuck")
    desk.post_message(1, BO, "It hurts")
    permit = {"guild": HARBOUR_GUILD, "discord": BO.discord_id, "permissions": ["TAG_USE"]}
    desk.db.write_sync(admin_commands.execute_command, "guilds.permit", permit)
    edits = (
        "UPDATE tickets SET status = 'done', deleted_at = 5",
        "UPDATE tickets SET deleted_at = NULL, opener = NULL",
        "UPDATE messages SET text = 'Other', data = '{}' WHERE kind = 'reply'",
        "UPDATE guilds SET owner = NULL, name = NULL",
        "DELETE FROM roles",
        "DELETE FROM role_members",
        "UPDATE guild_members SET left_at = 5, permissions = 3",
        "DELETE FROM messages",
        "DELETE FROM tickets",
        "DELETE FROM guilds",
    )
    for statement in edits:
        desk.db.write_sync(_execute, statement)
        before = desk.db.read_sync(log.read_head) + desk.db.read_sync(log.count_outbox)

        assert desk.db.write_sync(record_edits)

        after = desk.db.read_sync(log.read_head) + desk.db.read_sync(log.count_outbox)
        assert desk.db.read_sync(read_changes) == [], statement
        assert after >= before


def _execute(tx: Connection, statement: str) -> None:
    tx.exec_driver_sql(statement)


def test_a_directly_deleted_guild_restored_by_an_event_is_shown_to_its_members(
    desk: DeskFixture,
) -> None:
    desk.db.write_sync(lambda tx: tx.execute(delete(guilds).where(guilds.c.id == HARBOUR_GUILD)))
    head = desk.db.read_sync(log.read_head)

    desk.open_ticket(1, "The crane is stuck")

    entries = desk.db.read_sync(log.read_after, head, 10)
    assert [entry.type for entry in entries] == ["guild.updated", "ticket.created"]
    assert entries[0].channels == (f"guild:{HARBOUR_GUILD}",)
