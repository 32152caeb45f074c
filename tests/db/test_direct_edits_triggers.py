"""Nothing that Deskwire does itself looks like an edit by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from deskwire.accounts.purge import purge
from deskwire.direct_edits.change_log import outside_changes
from deskwire.direct_edits.processor import work_off
from deskwire.events import log
from deskwire.events.retention import trim
from deskwire.integrations.discord import translate
from deskwire.integrations.discord.payloads import PAYLOADS
from deskwire.integrations.discord.samples import sample
from deskwire.kit.clock import now
from deskwire.server import admin_commands
from deskwire.webhooks.deliveries import delete_settled
from deskwire.webhooks.source import Delivery
from tests.fixtures.cast import ADA, BO, CAST, DEE, HARBOUR, House, build


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    built = build(tmp_path)
    yield built
    built.db.close()


def notes(tx: Connection) -> list[Any]:
    return list(tx.execute(select(outside_changes)).all())


@pytest.mark.parametrize("type_", sorted(PAYLOADS))
def test_whatever_the_bot_tells_new_late_or_again(house: House, type_: str) -> None:
    for nth, at in enumerate((now(), now() - 10_000_000, now())):
        event = {"type": type_, "data": sample(type_)}
        house.db.write_here(translate.apply, Delivery(nth, at, {"event": event}))

    assert house.db.read_here(notes) == []


def test_a_day_in_the_harbour_and_its_end(house: House) -> None:
    for number in (1, 2):
        house.open_ticket(number, "The crane is stuck")
        house.say(number, BO, "It hurts")
        house.claim(number)
        house.move(number, "PENDING")
        house.change(number, subject={"old": "a", "new": "b"}, tags={"added": ["x"]})
        house.close(number)
    house.delete(2)
    house.role("team.role_created")
    house.role("team.role_updated")
    house.role("team.role_deleted")
    house.unassign(ADA)
    house.depart(DEE)
    house.leave_guild()
    permit = {"guild": HARBOUR, "discord": BO.discord, "permissions": ["TAG_USE"]}
    house.db.write_here(admin_commands.run, "guilds.permit", permit)
    for actor in CAST[:2]:
        house.db.write_here(admin_commands.run, "people.unlink", {"email": actor.email})
    house.db.write_here(purge, now())
    house.db.write_here(trim, now() + 1, 100)
    house.db.write_here(delete_settled, now() + 1, 100)

    assert house.db.read_here(notes) == []


def test_telling_of_an_edit_is_no_edit(house: House) -> None:
    house.open_ticket(1, "The crane is stuck")
    house.say(1, BO, "It hurts")
    permit = {"guild": HARBOUR, "discord": BO.discord, "permissions": ["TAG_USE"]}
    house.db.write_here(admin_commands.run, "guilds.permit", permit)
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
        house.db.write_here(_execute, statement)
        before = house.db.read_here(log.read_head) + house.db.read_here(log.count_waiting)

        assert house.db.write_here(work_off)

        after = house.db.read_here(log.read_head) + house.db.read_here(log.count_waiting)
        assert house.db.read_here(notes) == [], statement
        assert after >= before


def _execute(tx: Connection, statement: str) -> None:
    tx.exec_driver_sql(statement)
