"""Test a hub with many subscriptions: written in slices, with nothing lost or repeated."""

from __future__ import annotations

from deskwire.realtime.heartbeat import Heartbeat
from tests.fixtures.hub import FakeWriter, HubFixture, running_hub


def crowd(hub_fixture: HubFixture, size: int) -> list[FakeWriter]:
    """People who all hold `guild:1`, with one stream each."""
    names = [f"p{number}" for number in range(size)]
    hub_fixture.channels_by_person = {name: {"guild:1", f"user:{name}"} for name in names}
    return [hub_fixture.open_stream(name, session=name) for name in names]


async def test_a_slice_of_the_seats_is_written_to_per_turn_of_the_loop():
    async with running_hub(HubFixture(slice_size=2)) as hub_fixture:
        writers = crowd(hub_fixture, 5)
        await hub_fixture.wait_until_idle()

        hub_fixture.publish("guild:1")

        assert sum(writer.positions == [1] for writer in writers) == 2
        await hub_fixture.wait_until_idle()
        assert all(writer.positions == [1] for writer in writers)


async def test_what_comes_meanwhile_is_heard_after_it_in_one_write():
    async with running_hub(HubFixture(slice_size=2)) as hub_fixture:
        writers = crowd(hub_fixture, 5)
        await hub_fixture.wait_until_idle()

        for _ in range(3):
            hub_fixture.publish("guild:1")
        await hub_fixture.wait_until_idle()

        assert [writer.positions for writer in writers] == [[1, 2, 3]] * 5


async def test_who_loses_access_in_between_hears_nothing_later():
    async with running_hub(HubFixture(slice_size=2)) as hub_fixture:
        writers = crowd(hub_fixture, 5)
        await hub_fixture.wait_until_idle()

        hub_fixture.publish("guild:1")
        hub_fixture.channels_by_person["p0"] = hub_fixture.channels_by_person["p4"] = {"user:p0"}
        hub_fixture.publish("guild:1", touches=("user:p0", "user:p4"))
        hub_fixture.publish("guild:1")
        await hub_fixture.wait_until_idle()

        assert [writer.positions for writer in writers[1:4]] == [[1, 2, 3]] * 3
        assert 3 not in writers[0].positions + writers[4].positions


async def test_a_stream_that_joins_in_between_hears_it_once():
    async with running_hub(HubFixture(slice_size=1)) as hub_fixture:
        writers = crowd(hub_fixture, 4)
        await hub_fixture.wait_until_idle()

        hub_fixture.publish("guild:1")
        late = hub_fixture.open_stream("p0", after=0, session="p0")
        await hub_fixture.wait_until_idle()

        assert late.positions == [1]
        assert [writer.positions for writer in writers] == [[1]] * 4


async def test_a_tick_never_tells_of_a_place_the_stream_has_not_reached():
    async with running_hub(HubFixture(slice_size=1)) as hub_fixture:
        writers = crowd(hub_fixture, 4)
        await hub_fixture.wait_until_idle()
        heart: Heartbeat = hub_fixture.hub._heartbeat

        hub_fixture.publish("guild:1")
        heart.send_tick([writer.subscription for writer in writers if writer.subscription])
        await hub_fixture.wait_until_idle()

        for writer in writers:
            assert writer.positions == [1]
            assert b"event: tick" not in writer.data.partition(b'"timestamp":1}')[0]


async def test_a_stream_that_ends_in_between_is_written_to_no_more():
    async with running_hub(HubFixture(slice_size=1)) as hub_fixture:
        writers = crowd(hub_fixture, 3)
        await hub_fixture.wait_until_idle()

        hub_fixture.publish("guild:1")
        for writer in writers:
            assert writer.subscription
            hub_fixture.hub.unsubscribe(writer.subscription)
        await hub_fixture.wait_until_idle()

        assert sum(len(writer.positions) for writer in writers) == 1


async def test_who_comes_back_is_seated_without_asking_for_grants_again():
    async with running_hub(HubFixture()) as hub_fixture:
        crowd(hub_fixture, 3)
        await hub_fixture.wait_until_idle()
        hub_fixture.queried_people.clear()

        back = [hub_fixture.open_stream(f"p{n}", after=0, session=f"p{n}") for n in range(3)]
        await hub_fixture.wait_until_idle()

        assert hub_fixture.queried_people == []
        assert [b.connected_frame["verdict"] for b in back] == ["resumed"] * 3


async def test_whose_access_may_have_changed_is_asked_about_again():
    async with running_hub(HubFixture()) as hub_fixture:
        first, *_ = crowd(hub_fixture, 3)
        await hub_fixture.wait_until_idle()
        assert first.subscription
        hub_fixture.hub.unsubscribe(first.subscription)
        hub_fixture.queried_people.clear()

        hub_fixture.publish("guild:1", touches=("user:p0",))
        hub_fixture.channels_by_person["p0"] = set()
        back = hub_fixture.open_stream("p0", after=0, session="p0")
        await hub_fixture.wait_until_idle()

        assert hub_fixture.queried_people == ["p0"]
        assert back.connected_frame["channels"] == []


async def test_a_channel_that_changed_forgets_everyone_who_held_it():
    async with running_hub(HubFixture()) as hub_fixture:
        writers = crowd(hub_fixture, 3)
        await hub_fixture.wait_until_idle()
        for writer in writers:
            assert writer.subscription
            hub_fixture.hub.unsubscribe(writer.subscription)
        hub_fixture.queried_people.clear()

        hub_fixture.publish("guild:1", touches=("guild:1",))
        for number in range(3):
            hub_fixture.open_stream(f"p{number}", session=f"p{number}")
        await hub_fixture.wait_until_idle()

        assert sorted(hub_fixture.queried_people) == ["p0", "p1", "p2"]
