"""Very many seats: they are written to in slices, and nobody hears too much or too little by it."""

from __future__ import annotations

from deskwire.realtime.heartbeat import Heart
from tests.fixtures.hub import Bench, Outlet, running


def crowd(bench: Bench, size: int) -> list[Outlet]:
    """People who all hold `guild:1`, with one stream each."""
    names = [f"p{number}" for number in range(size)]
    bench.access = {name: {"guild:1", f"user:{name}"} for name in names}
    return [bench.join(name, session=name) for name in names]


async def test_a_slice_of_the_seats_is_written_to_per_turn_of_the_loop():
    async with running(Bench(seats_per_turn=2)) as bench:
        seats = crowd(bench, 5)
        await bench.settle()

        bench.say("guild:1")

        assert sum(outlet.heard == [1] for outlet in seats) == 2
        await bench.settle()
        assert all(outlet.heard == [1] for outlet in seats)


async def test_what_comes_meanwhile_is_heard_after_it_in_one_write():
    async with running(Bench(seats_per_turn=2)) as bench:
        seats = crowd(bench, 5)
        await bench.settle()

        for _ in range(3):
            bench.say("guild:1")
        await bench.settle()

        assert [outlet.heard for outlet in seats] == [[1, 2, 3]] * 5


async def test_who_loses_access_in_between_hears_nothing_later():
    async with running(Bench(seats_per_turn=2)) as bench:
        seats = crowd(bench, 5)
        await bench.settle()

        bench.say("guild:1")
        bench.access["p0"] = bench.access["p4"] = {"user:p0"}
        bench.say("guild:1", touches=("user:p0", "user:p4"))
        bench.say("guild:1")
        await bench.settle()

        assert [outlet.heard for outlet in seats[1:4]] == [[1, 2, 3]] * 3
        assert 3 not in seats[0].heard + seats[4].heard


async def test_a_stream_that_joins_in_between_hears_it_once():
    async with running(Bench(seats_per_turn=1)) as bench:
        seats = crowd(bench, 4)
        await bench.settle()

        bench.say("guild:1")
        late = bench.join("p0", after=0, session="p0")
        await bench.settle()

        assert late.heard == [1]
        assert [outlet.heard for outlet in seats] == [[1]] * 4


async def test_a_tick_never_tells_of_a_place_the_stream_has_not_reached():
    async with running(Bench(seats_per_turn=1)) as bench:
        seats = crowd(bench, 4)
        await bench.settle()
        heart: Heart = bench.hub._heart

        bench.say("guild:1")
        heart.beat([outlet.seat for outlet in seats if outlet.seat])
        await bench.settle()

        for outlet in seats:
            assert outlet.heard == [1]
            assert b"event: tick" not in outlet.data.partition(b'"timestamp":1}')[0]


async def test_a_stream_that_ends_in_between_is_written_to_no_more():
    async with running(Bench(seats_per_turn=1)) as bench:
        seats = crowd(bench, 3)
        await bench.settle()

        bench.say("guild:1")
        for outlet in seats:
            assert outlet.seat
            bench.hub.leave(outlet.seat)
        await bench.settle()

        assert sum(len(outlet.heard) for outlet in seats) == 1


async def test_who_comes_back_is_seated_without_asking_for_grants_again():
    async with running(Bench()) as bench:
        crowd(bench, 3)
        await bench.settle()
        bench.asked_about.clear()

        back = [bench.join(f"p{n}", after=0, session=f"p{n}") for n in range(3)]
        await bench.settle()

        assert bench.asked_about == []
        assert [b.connected["verdict"] for b in back] == ["resumed"] * 3


async def test_whose_access_may_have_changed_is_asked_about_again():
    async with running(Bench()) as bench:
        first, *_ = crowd(bench, 3)
        await bench.settle()
        assert first.seat
        bench.hub.leave(first.seat)
        bench.asked_about.clear()

        bench.say("guild:1", touches=("user:p0",))
        bench.access["p0"] = set()
        back = bench.join("p0", after=0, session="p0")
        await bench.settle()

        assert bench.asked_about == ["p0"]
        assert back.connected["channels"] == []


async def test_a_channel_that_changed_forgets_everyone_who_held_it():
    async with running(Bench()) as bench:
        seats = crowd(bench, 3)
        await bench.settle()
        for outlet in seats:
            assert outlet.seat
            bench.hub.leave(outlet.seat)
        bench.asked_about.clear()

        bench.say("guild:1", touches=("guild:1",))
        for number in range(3):
            bench.join(f"p{number}", session=f"p{number}")
        await bench.settle()

        assert sorted(bench.asked_about) == ["p0", "p1", "p2"]
