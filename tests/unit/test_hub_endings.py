"""The hub: how streams stall, break, expire and end, and that the others do not notice."""

from __future__ import annotations

import asyncio

import pytest

from tests.fixtures.hub import Bench, entry, running, wait_until


async def test_a_session_that_ended_ends_its_streams_and_no_others():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"user:ada"}}
        here, there = bench.join("ada", session="a"), bench.join("ada", session="b")
        await bench.settle()

        del bench.sessions["a"]
        bench.say("user:ada", touches=("user:ada",))
        await bench.settle()
        bench.say("user:ada")

        assert here.ended
        assert here.names == ["goodbye"]
        assert there.heard == [1, 2]


async def test_the_oldest_stream_of_a_person_makes_room_and_is_told_why():
    async with running(Bench(streams=2)) as bench:
        first, second, third = (bench.join("ada") for _ in range(3))
        await bench.settle()

        assert first.ended
        assert first.frames[-1] == ("goodbye", {"reason": "too-many-streams"})
        assert not second.ended
        assert not third.ended


async def test_a_full_stream_stands_still_and_goes_on_from_there():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        ada = bench.join("ada", room=400)
        await bench.settle()

        for _ in range(50):
            bench.say("guild:1")
        assert len(ada.heard) < 10
        for _ in range(50):
            ada.drain()
            await bench.settle()

        assert ada.heard == list(range(1, 51))


async def test_a_reader_who_falls_out_of_the_window_is_let_go_and_told_on_return():
    async with running(Bench(window=5000)) as bench:
        bench.access = {"ada": {"guild:1"}}
        ada = bench.join("ada", room=400)
        await bench.settle()

        for _ in range(100):
            bench.say("guild:1")
        ada.drain()
        await bench.settle()
        last = ada.heard[-1]
        back = bench.join("ada", after=last)
        await bench.settle()

        assert ada.aborted
        assert back.connected["because"] == "slow"
        assert ada.heard + back.heard == list(range(1, 101))


async def test_a_failed_question_is_asked_again_and_meanwhile_nothing_is_heard():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        answer = bench.hub._questions._authorise
        failures = iter([True])

        async def fail_once(people, sessions):
            if next(failures, False):
                raise OSError("database is gone")
            return await answer(people, sessions)

        bench.hub._questions._authorise = fail_once
        ada = bench.join("ada")
        await bench.settle()
        bench.say("guild:1")
        assert ada.heard == []

        await wait_until(lambda: ada.heard == [1])


async def test_draining_gives_every_stream_its_own_time_to_come_back():
    async with running(Bench()) as bench:
        streams = [bench.join(f"p{n}", session=f"s{n}") for n in range(20)]
        await bench.settle()

        bench.hub.drain()

        waits = {stream.frames[-1][1]["retry"] for stream in streams}
        assert len(waits) == 20
        assert all(stream.ended for stream in streams)


async def test_a_beat_moves_the_cursor_of_a_quiet_stream():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        ada = bench.join("ada")
        await bench.settle()
        bench.say("guild:2")
        assert ada.seat is not None

        bench.hub._heart.beat([ada.seat])

        assert ada.data.endswith(b"\n\n")
        assert b":heartbeat\n\nevent: tick\nid: 0123abcd-1\n" in ada.data


async def test_nothing_is_left_of_a_stream_that_ended():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        ada = bench.join("ada")
        await bench.settle()
        assert ada.seat is not None

        bench.hub.leave(ada.seat)

        assert bench.hub.seats == []
        assert bench.hub._audience._seats == {}
        assert bench.hub._people == {}
        assert not any(bench.hub._heart._seats)


def broken(_frames: bytes) -> None:
    raise OSError("the other side is gone")


async def test_one_broken_stream_does_not_silence_the_others(monkeypatch: pytest.MonkeyPatch):
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}, "bo": {"guild:1"}}
        ada, bo = bench.join("ada"), bench.join("bo", session="b")
        await bench.settle()
        monkeypatch.setattr(ada, "write", broken)

        bench.say("guild:1")
        bench.hub.dispatch([entry(2, "guild:1"), entry(3, "guild:1")])

        assert ada.aborted
        assert bo.heard == [1, 2, 3]


async def test_what_the_bus_lost_is_read_from_the_log():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        ada = bench.join("ada")
        await bench.settle()

        bench.log = [entry(position, "guild:1") for position in range(1, 6)]
        bench.hub.dispatch(bench.log[3:4])
        bench.hub.dispatch(bench.log[4:])
        await bench.settle()
        bench.say("guild:1")

        assert ada.heard == [1, 2, 3, 4, 5, 6]


async def test_a_question_cut_off_is_asked_again_before_anything_is_heard():
    bench = Bench()
    bench.access = {"dee": {"guild:1"}}
    async with running(bench):
        dee = bench.join("dee")
        await bench.settle()
        bench.gate = asyncio.Event()
        bench.access = {"dee": set()}
        bench.say("guild:1", touches=("user:dee",))
        await bench.settle()
    assert dee.seat is not None

    bench.gate = None
    bench.hub.resume(dee.seat)
    bench.say("guild:1")
    assert dee.heard == [1]

    async with running(bench):
        await bench.settle()
    assert dee.heard == [1]
    assert dee.names == ["revoked"]


async def test_a_stream_falls_silent_when_its_session_ends_by_itself():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        bench.sessions["s"] = 5_000
        ada = bench.join("ada")
        await bench.settle()

        bench.clock = 5_000
        del bench.sessions["s"]
        bench.hub._heart.end_sessions()
        bench.say("guild:1")
        await bench.settle()

        assert ada.heard == []
        assert ada.frames[-1] == ("goodbye", {"reason": "signed-out"})


async def test_a_prolonged_session_goes_on():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}}
        bench.sessions["s"] = 5_000
        ada = bench.join("ada")
        await bench.settle()

        bench.clock = 5_000
        bench.sessions["s"] = 9_000
        bench.hub._heart.end_sessions()
        bench.say("guild:1")
        await bench.settle()

        assert ada.heard == [1]


async def test_another_tab_that_comes_back_is_not_told_it_was_slow():
    async with running(Bench(window=5000)) as bench:
        bench.access = {"ada": {"guild:1"}}
        slow, quick = bench.join("ada", room=400), bench.join("ada")
        await bench.settle()
        for _ in range(100):
            bench.say("guild:1")
        slow.drain()
        await bench.settle()
        assert slow.aborted

        tab = bench.join("ada", after=quick.heard[-1])
        back = bench.join("ada", after=slow.heard[-1])
        await bench.settle()

        assert tab.connected["because"] is None
        assert back.connected["because"] == "slow"
