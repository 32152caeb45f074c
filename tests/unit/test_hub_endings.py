"""Test how streams stall, break, expire and end in the hub, without affecting the others."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures.hub import HubFixture, make_entry, running_hub, wait_until


async def test_a_session_that_ended_ends_its_streams_and_no_others():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"user:ada"}}
        here, there = (
            hub_fixture.open_stream("ada", session="a"),
            hub_fixture.open_stream("ada", session="b"),
        )
        await hub_fixture.wait_until_idle()

        del hub_fixture.sessions["a"]
        hub_fixture.publish("user:ada", touches=("user:ada",))
        await hub_fixture.wait_until_idle()
        hub_fixture.publish("user:ada")

        assert here.ended
        assert here.control_frame_names == ["goodbye"]
        assert there.positions == [1, 2]


async def test_the_oldest_stream_of_a_person_makes_room_and_hears_why():
    async with running_hub(HubFixture(streams_per_person=2)) as hub_fixture:
        first, second, third = (hub_fixture.open_stream("ada") for _ in range(3))
        await hub_fixture.wait_until_idle()

        assert first.ended
        assert first.frames[-1] == ("goodbye", {"reason": "too-many-streams"})
        assert not second.ended
        assert not third.ended


async def test_a_full_stream_stands_still_and_continues_from_there():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = hub_fixture.open_stream("ada", capacity=400)
        await hub_fixture.wait_until_idle()

        for _ in range(50):
            hub_fixture.publish("guild:1")
        assert len(ada.positions) < 10
        for _ in range(50):
            ada.drain()
            await hub_fixture.wait_until_idle()

        assert ada.positions == list(range(1, 51))


async def test_a_client_that_falls_out_of_the_buffer_is_disconnected_and_told_on_return():
    async with running_hub(HubFixture(buffer_bytes=5000)) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = hub_fixture.open_stream("ada", capacity=400)
        await hub_fixture.wait_until_idle()

        for _ in range(100):
            hub_fixture.publish("guild:1")
        ada.drain()
        await hub_fixture.wait_until_idle()
        last = ada.positions[-1]
        back = hub_fixture.open_stream("ada", after=last)
        await hub_fixture.wait_until_idle()

        assert ada.aborted
        assert back.connected_frame["because"] == "slow"
        assert ada.positions + back.positions == list(range(1, 101))


async def test_a_failed_question_is_asked_again_and_meanwhile_nothing_is_heard():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        answer = hub_fixture.hub._authorization_queue._authorize
        failures = iter([True])

        async def fail_once(people, sessions):
            if next(failures, False):
                raise OSError("database is gone")
            return await answer(people, sessions)

        hub_fixture.hub._authorization_queue._authorize = fail_once
        ada = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()
        hub_fixture.publish("guild:1")
        assert ada.positions == []

        await wait_until(lambda: ada.positions == [1])


async def test_draining_gives_every_stream_its_own_time_to_come_back():
    async with running_hub(HubFixture()) as hub_fixture:
        streams = [hub_fixture.open_stream(f"p{n}", session=f"s{n}") for n in range(20)]
        await hub_fixture.wait_until_idle()

        hub_fixture.hub.drain()

        waits = {stream.frames[-1][1]["retry"] for stream in streams}
        assert len(waits) == 20
        assert all(stream.ended for stream in streams)


async def test_a_beat_moves_the_cursor_of_a_quiet_stream():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()
        hub_fixture.publish("guild:2")
        assert ada.subscription is not None

        hub_fixture.hub._heartbeat.send_tick([ada.subscription])

        assert ada.data.endswith(b"\n\n")
        assert b":heartbeat\n\nevent: tick\nid: 0123abcd-1\n" in ada.data


async def test_nothing_is_left_of_a_stream_that_ended():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()
        assert ada.subscription is not None

        hub_fixture.hub.unsubscribe(ada.subscription)

        assert hub_fixture.hub.subscriptions == []
        assert hub_fixture.hub._fanout._by_channel == {}
        assert hub_fixture.hub._by_person == {}
        assert not any(hub_fixture.hub._heartbeat._buckets)


def broken(_frames: bytes) -> None:
    raise OSError("the other side is gone")


async def test_one_broken_stream_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch):
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}, "bo": {"guild:1"}}
        ada, bo = hub_fixture.open_stream("ada"), hub_fixture.open_stream("bo", session="b")
        await hub_fixture.wait_until_idle()
        monkeypatch.setattr(ada, "write", broken)

        hub_fixture.publish("guild:1")
        hub_fixture.hub.publish([make_entry(2, "guild:1"), make_entry(3, "guild:1")])

        assert ada.aborted
        assert bo.positions == [1, 2, 3]


async def test_what_the_bus_lost_is_read_from_the_log():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        ada = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()

        hub_fixture.log = [make_entry(position, "guild:1") for position in range(1, 6)]
        hub_fixture.hub.publish(hub_fixture.log[3:4])
        hub_fixture.hub.publish(hub_fixture.log[4:])
        await hub_fixture.wait_until_idle()
        hub_fixture.publish("guild:1")

        assert ada.positions == [1, 2, 3, 4, 5, 6]


async def test_a_question_cut_off_is_asked_again_before_anything_is_heard():
    hub_fixture = HubFixture()
    hub_fixture.channels_by_person = {"dee": {"guild:1"}}
    async with running_hub(hub_fixture):
        dee = hub_fixture.open_stream("dee")
        await hub_fixture.wait_until_idle()
        hub_fixture.answer_gate = asyncio.Event()
        hub_fixture.channels_by_person = {"dee": set()}
        hub_fixture.publish("guild:1", touches=("user:dee",))
        await hub_fixture.wait_until_idle()
    assert dee.subscription is not None

    hub_fixture.answer_gate = None
    hub_fixture.hub.resume(dee.subscription)
    hub_fixture.publish("guild:1")
    assert dee.positions == [1]

    async with running_hub(hub_fixture):
        await hub_fixture.wait_until_idle()
    assert dee.positions == [1]
    assert dee.control_frame_names == ["revoked"]


async def test_a_stream_falls_silent_when_its_session_ends_by_itself():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        hub_fixture.sessions["s"] = 5_000
        ada = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()

        hub_fixture.clock = 5_000
        del hub_fixture.sessions["s"]
        hub_fixture.hub._heartbeat.expire_sessions()
        hub_fixture.publish("guild:1")
        await hub_fixture.wait_until_idle()

        assert ada.positions == []
        assert ada.frames[-1] == ("goodbye", {"reason": "signed-out"})


async def test_a_prolonged_session_continues():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        hub_fixture.sessions["s"] = 5_000
        ada = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()

        hub_fixture.clock = 5_000
        hub_fixture.sessions["s"] = 9_000
        hub_fixture.hub._heartbeat.expire_sessions()
        hub_fixture.publish("guild:1")
        await hub_fixture.wait_until_idle()

        assert ada.positions == [1]


async def test_another_tab_that_comes_back_does_not_hear_it_was_slow():
    async with running_hub(HubFixture(buffer_bytes=5000)) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        slow, quick = hub_fixture.open_stream("ada", capacity=400), hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()
        for _ in range(100):
            hub_fixture.publish("guild:1")
        slow.drain()
        await hub_fixture.wait_until_idle()
        assert slow.aborted

        tab = hub_fixture.open_stream("ada", after=quick.positions[-1])
        back = hub_fixture.open_stream("ada", after=slow.positions[-1])
        await hub_fixture.wait_until_idle()

        assert tab.connected_frame["because"] is None
        assert back.connected_frame["because"] == "slow"
