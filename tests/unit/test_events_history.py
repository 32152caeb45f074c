"""Test what counts as a log that went back in time, and how the hub starts over with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deskwire.events.history import History, find_break
from deskwire.events.log import Entry
from deskwire.realtime.subscription import SubscriptionState
from tests.fixtures.hub import EPOCH, HubFixture, make_entry, running_hub, wait_until

KNOWN = History("aaaaaaaa", 9, ("ticket.created", 1000), cluster="1/1")
FOUND = replace(KNOWN, head=12)
NEW_EPOCH = "bbbbbbbb"


@pytest.mark.parametrize(
    "found",
    [
        FOUND,
        replace(FOUND, head=9),
        replace(FOUND, entry=None, floor=9),  # trimmed
        replace(FOUND, cluster=None),  # PostgreSQL does not tell
    ],
)
def test_a_log_that_grew_or_was_trimmed_has_the_same_history(found: History) -> None:
    assert find_break(KNOWN, found) is None


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (replace(FOUND, head=8, entry=None), "ends at 8"),
        (replace(FOUND, entry=None, floor=8), "missing"),
        (replace(FOUND, entry=("ticket.created", 1001)), "another one"),
        (replace(FOUND, entry=("ticket.deleted", 1000)), "another one"),
        (replace(FOUND, cluster="1/2"), "timeline"),
    ],
)
def test_a_log_that_went_back_has_another_history(found: History, problem: str) -> None:
    assert problem in (find_break(KNOWN, found) or "")


async def test_after_a_restore_every_stream_is_reset_and_receives_later_events() -> None:
    async with running_hub(HubFixture()) as desk:
        desk.channels_by_person = {"ada": {"a"}, "bo": {"a", "b"}}
        live, full = desk.open_stream("ada"), desk.open_stream("bo", capacity=1)
        for _ in range(3):
            desk.publish("a")
        await desk.wait_until_idle()
        full.capacity = 2**60

        desk.log = [make_entry(1, "a")]
        desk.channels_by_person["bo"] = {"b"}  # the right to the other one was given later
        desk.hub.begin_epoch(NEW_EPOCH, desk.log.copy(), 1)
        full.drain()
        await desk.wait_until_idle()

        for stream in (live, full):
            reset = dict(stream.frames)["reset"]
            assert reset == {"because": "epoch", "position": f"{NEW_EPOCH}-1"}
            assert stream.subscription is not None
            assert stream.subscription.is_live
        assert "revoked" in full.control_frame_names

        before = len(live.positions), len(full.positions)
        desk.publish("a")
        await desk.wait_until_idle()
        assert (len(live.positions), len(full.positions)) == (before[0] + 1, before[1])


class SlowLogHub(HubFixture):
    """A hub whose log does not answer before the epoch has changed."""

    async def _read_after(self, position: int, limit: int) -> list[Entry]:
        entries = await super()._read_after(position, limit)
        while self.hub.epoch == EPOCH:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.001)
        return entries


async def test_a_replay_in_progress_is_given_up() -> None:
    async with running_hub(SlowLogHub(buffer_bytes=1)) as desk:
        desk.channels_by_person = {"ada": {"a"}}
        for _ in range(5):
            desk.publish("a")
        stream = desk.open_stream("ada", after=1)
        assert stream.subscription is not None
        subscription = stream.subscription
        await wait_until(lambda: subscription.state is SubscriptionState.LOADING)

        desk.log = [make_entry(1, "a")]
        desk.hub.begin_epoch(NEW_EPOCH, desk.log.copy(), 1)
        await wait_until(lambda: subscription.is_live)

        assert stream.connected_frame["verdict"] == "reset"
        assert stream.connected_frame["position"] == f"{NEW_EPOCH}-1"
        assert stream.positions == []


async def test_a_cursor_of_the_lost_part_is_not_resumed() -> None:
    async with running_hub(HubFixture()) as desk:
        desk.channels_by_person = {"ada": {"a"}}
        desk.publish("a")
        desk.hub.begin_epoch(NEW_EPOCH, desk.log.copy(), 1)

        returning = desk.open_stream("ada", after=f"{EPOCH}-1")
        await desk.wait_until_idle()

        assert returning.connected_frame["verdict"] == "reset"
        assert returning.connected_frame["because"] == "epoch"
