"""Test that streams of a hub stall, break, expire and end without affecting the others."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures.hub import HubFixture, make_entry, running_hub, wait_until


async def test_a_revoked_session_ends_its_own_streams_only():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"user:ada"}}
        ended, other = (fixture.open_stream("ada", session=session) for session in ("a", "b"))
        await fixture.wait_until_idle()

        del fixture.sessions["a"]
        fixture.publish("user:ada", access_changes=("user:ada",))
        await fixture.wait_until_idle()
        fixture.publish("user:ada")

        assert ended.ended
        assert ended.control_frame_names == ["goodbye"]
        assert other.positions == [1, 2]


async def test_a_persons_oldest_stream_is_closed_with_a_reason_when_there_are_too_many():
    async with running_hub(HubFixture(streams_per_person=2)) as fixture:
        first, second, third = (fixture.open_stream("ada") for _ in range(3))
        await fixture.wait_until_idle()

        assert first.ended
        assert first.frames[-1] == ("goodbye", {"reason": "too-many-streams"})
        assert not second.ended
        assert not third.ended


async def test_a_paused_stream_continues_where_it_stopped():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = fixture.open_stream("ada", capacity=400)
        await fixture.wait_until_idle()

        for _ in range(50):
            fixture.publish("guild:1")
        assert len(ada.positions) < 10
        for _ in range(50):
            ada.drain()
            await fixture.wait_until_idle()

        assert ada.positions == list(range(1, 51))


async def test_a_reader_too_slow_for_the_buffer_is_closed_and_told_why_on_return():
    async with running_hub(HubFixture(buffer_bytes=5000)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = fixture.open_stream("ada", capacity=400)
        await fixture.wait_until_idle()

        for _ in range(100):
            fixture.publish("guild:1")
        ada.drain()
        await fixture.wait_until_idle()
        last = ada.positions[-1]
        back = fixture.open_stream("ada", after=last)
        await fixture.wait_until_idle()

        assert ada.aborted
        assert back.connected_frame["because"] == "slow"
        assert ada.positions + back.positions == list(range(1, 101))


async def test_a_failed_query_is_retried_and_nothing_is_heard_meanwhile():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        answer = fixture.hub._authorization_queue._authorize
        failures = iter([True])

        async def fail_once(people, sessions):
            if next(failures, False):
                raise OSError("database is gone")
            return await answer(people, sessions)

        fixture.hub._authorization_queue._authorize = fail_once
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()
        fixture.publish("guild:1")
        assert ada.positions == []

        await wait_until(lambda: ada.positions == [1])


async def test_draining_gives_every_stream_its_own_reconnect_delay():
    async with running_hub(HubFixture()) as fixture:
        streams = [fixture.open_stream(f"p{n}", session=f"s{n}") for n in range(20)]
        await fixture.wait_until_idle()

        fixture.hub.drain()

        waits = {stream.frames[-1][1]["retry"] for stream in streams}
        assert len(waits) == 20
        assert all(stream.ended for stream in streams)


async def test_a_tick_moves_the_cursor_of_a_quiet_stream():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()
        fixture.publish("guild:2")
        assert ada.subscription is not None

        fixture.hub._heartbeat.send_tick([ada.subscription])

        assert ada.raw_bytes.endswith(b"\n\n")
        assert b":heartbeat\n\nevent: tick\ndata: " in ada.raw_bytes
        assert ada.raw_bytes.endswith(b"\nid: 0123abcd-1\n\n")


async def test_an_ended_stream_leaves_nothing_behind():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()
        assert ada.subscription is not None

        fixture.hub.unsubscribe(ada.subscription)

        assert fixture.hub.subscriptions == []
        assert fixture.hub._fanout._by_channel == {}
        assert fixture.hub._by_person == {}
        assert not any(fixture.hub._heartbeat._buckets)


def broken(_frames: bytes) -> None:
    raise OSError("the other side is gone")


async def test_one_broken_stream_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch):
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}, "bo": {"guild:1"}}
        ada, bo = fixture.open_stream("ada"), fixture.open_stream("bo", session="b")
        await fixture.wait_until_idle()
        monkeypatch.setattr(ada, "write", broken)

        fixture.publish("guild:1")
        fixture.hub.publish([make_entry(2, "guild:1"), make_entry(3, "guild:1")])

        assert ada.aborted
        assert bo.positions == [1, 2, 3]


async def test_events_the_bus_lost_are_read_from_the_log():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()

        fixture.log = [make_entry(position, "guild:1") for position in range(1, 6)]
        fixture.hub.publish(fixture.log[3:4])
        fixture.hub.publish(fixture.log[4:])
        await fixture.wait_until_idle()
        fixture.publish("guild:1")

        assert ada.positions == [1, 2, 3, 4, 5, 6]


async def test_a_cancelled_query_is_repeated_before_anything_is_heard():
    fixture = HubFixture()
    fixture.channels_by_person = {"dee": {"guild:1"}}
    async with running_hub(fixture):
        dee = fixture.open_stream("dee")
        await fixture.wait_until_idle()
        fixture.answer_gate = asyncio.Event()
        fixture.channels_by_person = {"dee": set()}
        fixture.publish("guild:1", access_changes=("user:dee",))
        await fixture.wait_until_idle()
    assert dee.subscription is not None

    fixture.answer_gate = None
    fixture.hub.resume(dee.subscription)
    fixture.publish("guild:1")
    assert dee.positions == [1]

    async with running_hub(fixture):
        await fixture.wait_until_idle()
    assert dee.positions == [1]
    assert dee.control_frame_names == ["revoked"]


async def test_a_stream_ends_when_its_session_expires():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        fixture.sessions["s"] = 5_000
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()

        fixture.clock = 5_000
        del fixture.sessions["s"]
        fixture.hub._heartbeat.expire_sessions()
        fixture.publish("guild:1")
        await fixture.wait_until_idle()

        assert ada.positions == []
        assert ada.frames[-1] == ("goodbye", {"reason": "signed-out"})


async def test_a_stream_of_an_extended_session_continues():
    async with running_hub(HubFixture()) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        fixture.sessions["s"] = 5_000
        ada = fixture.open_stream("ada")
        await fixture.wait_until_idle()

        fixture.clock = 5_000
        fixture.sessions["s"] = 9_000
        fixture.hub._heartbeat.expire_sessions()
        fixture.publish("guild:1")
        await fixture.wait_until_idle()

        assert ada.positions == [1]


async def test_only_the_slow_tab_is_told_on_return():
    async with running_hub(HubFixture(buffer_bytes=5000)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        slow, quick = fixture.open_stream("ada", capacity=400), fixture.open_stream("ada")
        await fixture.wait_until_idle()
        for _ in range(100):
            fixture.publish("guild:1")
        slow.drain()
        await fixture.wait_until_idle()
        assert slow.aborted

        tab = fixture.open_stream("ada", after=quick.positions[-1])
        back = fixture.open_stream("ada", after=slow.positions[-1])
        await fixture.wait_until_idle()

        assert tab.connected_frame["because"] is None
        assert back.connected_frame["because"] == "slow"
