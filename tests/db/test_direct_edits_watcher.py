"""Test direct edits together with deliveries, on one server and on two: streams stay correct."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from deskwire.direct_edits import watcher
from tests.contracts.test_page_state import PageState, catch_up, follow, look
from tests.fixtures.cast import ADA, ATTIC_GUILD, BO, CY, HARBOUR_GUILD, MO, UNA
from tests.fixtures.live_guild import LiveGuildFixture, member_fields, open_live_guild
from tests.fixtures.running_desk import open_running_desk

EDITS = (
    "UPDATE tickets SET status = 'review'",
    "UPDATE tickets SET status = 'foo', priority = 'low' WHERE number > 1",
    "UPDATE tickets SET deleted_at = NULL",
    "UPDATE tickets SET deleted_at = 5 WHERE number = 2",
    f"UPDATE tickets SET opener = 'discord:{UNA.discord_id}' WHERE number = 1",
    f"UPDATE tickets SET opener = 'discord:{BO.discord_id}' WHERE number = 1",
    "DELETE FROM messages WHERE kind = 'reply'",
    "UPDATE messages SET text = 'Other words' WHERE kind = 'reply'",
    f"UPDATE guilds SET name = 'Pier' WHERE id = '{HARBOUR_GUILD}'",
    f"UPDATE guilds SET owner = 'discord:{CY.discord_id}' WHERE id = '{HARBOUR_GUILD}'",
    f"UPDATE guilds SET owner = 'discord:{MO.discord_id}' WHERE id = '{HARBOUR_GUILD}'",
    "UPDATE roles SET permissions = 0",
    "UPDATE roles SET permissions = 16",
    "DELETE FROM role_members",
    "UPDATE guild_members SET permissions = 16",
    "DELETE FROM tickets WHERE number = 3",
)


@pytest.fixture(autouse=True)
def fast_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "SQLITE_POLL_INTERVAL", 0.01)


@pytest.mark.parametrize("seed", range(4))
async def test_open_streams_match_the_database_after_direct_edits(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    async with open_live_guild(tmp_path) as live_guild:
        screens = {actor: shown(live_guild, actor) for actor in live_guild.streams}
        for _ in range(25):
            doing: list[Awaitable[Any]] = [live_guild.desk.edit_database(random.choice(EDITS))]
            doing += [tell(live_guild, random) for _ in range(random.randint(0, 3))]
            random.shuffle(doing)
            await asyncio.gather(*doing)
            await live_guild.desk.wait_until_idle()
            for actor, screen in screens.items():
                screens[actor] = after(live_guild, actor, screen)
        states = "SELECT count(*) FROM deliveries WHERE state <> 'done'"
        assert live_guild.query_one(states)[0] == 0


def tell(live_guild: LiveGuildFixture, random: Random) -> Awaitable[None]:
    number = random.randint(1, 3)
    role: dict[str, Any] = {"roleId": "600000000000000001", "roleName": "Tickets Support"}
    action = random.choice(("assigned", "unassigned"))
    return random.choice(
        (
            lambda: live_guild.post_message(number, BO),
            lambda: live_guild.set_status(random.choice(("OPEN", "CLAIMED", "CLOSED"))),
            lambda: live_guild.open_ticket(number, "Rope"),
            lambda: live_guild.desk.post_event(
                f"team.member_{action}", **member_fields(ADA), **role, action=action
            ),
        )
    )()


def shown(live_guild: LiveGuildFixture, actor: Any) -> PageState:
    return live_guild.desk.db.read_sync(look, live_guild.person_ids[actor])


def after(live_guild: LiveGuildFixture, actor: Any, screen: PageState) -> PageState:
    """Apply the actor's new frames to their page, and check that a fresh page shows the same."""
    heard, fresh = live_guild.read_new_events(actor), shown(live_guild, actor)
    if any(type_ in ("granted", "revoked") for type_, _ in heard):
        return fresh  # the store reloads what it may show
    assert screen.channels == fresh.channels, f"{actor.name} was not told of their access"
    everything = json.dumps(sorted(screen.channels))
    for type_, data in heard:
        follow(
            screen, SimpleNamespace(type=type_, data=json.dumps(data), channels=everything), fresh
        )
    catch_up(screen, fresh)
    assert screen == fresh, f"{actor.name} sees something else"
    return fresh


@pytest.mark.database("postgresql")
async def test_two_servers_announce_each_edit_once_and_in_order(tmp_path: Path) -> None:
    async with open_live_guild(tmp_path) as one, open_running_desk(tmp_path, one.desk.url) as other:
        other.session_ids = one.desk.session_ids
        theirs = await other.open_stream(one.person_ids[MO])
        for nth in range(20):
            edits = (
                f"UPDATE guilds SET name = 'Pier {nth}' WHERE id = '{HARBOUR_GUILD}'",
                f"UPDATE guilds SET member_count = {nth} WHERE id = '{ATTIC_GUILD}'",
            )
            await asyncio.gather(one.desk.edit_database(*edits), one.post_message(1, BO))
        await one.desk.wait_until_idle()
        await other.wait_until_idle()

        ours = [data for type_, data in one.read_new_events(MO) if type_ == "guild.updated"]
        frames = [frame for _, frame in theirs.frames if frame.get("type") == "guild.updated"]

    revisions = [data["revision"] for data in ours]
    assert [data["now"]["name"] for data in ours] == [f"Pier {nth}" for nth in range(20)]
    assert revisions == sorted(set(revisions))
    assert [frame["data"] for frame in frames] == ours


@pytest.mark.database("postgresql")
async def test_a_lost_notification_delays_an_edit_but_loses_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "POSTGRES_POLL_INTERVAL", 0.1)
    monkeypatch.setattr(watcher.Watcher, "wake", lambda _: None)
    async with open_live_guild(tmp_path) as live_guild:
        await live_guild.desk.edit_database("UPDATE tickets SET priority = 'high'")

        assert live_guild.read_new_types(ADA) == ["ticket.updated"]
