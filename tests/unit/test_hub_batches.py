"""Test very many streams: written to in slices, none hears too much or too little."""

from __future__ import annotations

from deskwire.realtime.heartbeat import Heartbeat
from tests.fixtures.hub import FakeWriter, HubFixture, running_hub


def crowd(hub_fixture: HubFixture, size: int) -> list[FakeWriter]:
    """Open one stream each for people who all hold `guild:1`."""
    names = [f"p{number}" for number in range(size)]
    hub_fixture.channels_by_person = {name: {"guild:1", f"user:{name}"} for name in names}
    return [hub_fixture.open_stream(name, session=name) for name in names]


async def test_one_slice_of_streams_is_written_per_loop_iteration():
    async with running_hub(HubFixture(slice_size=2)) as fixture:
        writers = crowd(fixture, 5)
        await fixture.wait_until_idle()

        fixture.publish("guild:1")

        assert sum(writer.positions == [1] for writer in writers) == 2
        await fixture.wait_until_idle()
        assert all(writer.positions == [1] for writer in writers)


async def test_events_published_during_a_batch_are_sent_in_order():
    async with running_hub(HubFixture(slice_size=2)) as fixture:
        writers = crowd(fixture, 5)
        await fixture.wait_until_idle()

        for _ in range(3):
            fixture.publish("guild:1")
        await fixture.wait_until_idle()

        assert [writer.positions for writer in writers] == [[1, 2, 3]] * 5


async def test_a_person_who_loses_access_between_slices_hears_nothing_later():
    async with running_hub(HubFixture(slice_size=2)) as fixture:
        writers = crowd(fixture, 5)
        await fixture.wait_until_idle()

        fixture.publish("guild:1")
        fixture.channels_by_person["p0"] = fixture.channels_by_person["p4"] = {"user:p0"}
        fixture.publish("guild:1", access_changes=("user:p0", "user:p4"))
        fixture.publish("guild:1")
        await fixture.wait_until_idle()

        assert [writer.positions for writer in writers[1:4]] == [[1, 2, 3]] * 3
        assert 3 not in writers[0].positions + writers[4].positions


async def test_a_stream_that_joins_between_slices_hears_the_event_once():
    async with running_hub(HubFixture(slice_size=1)) as fixture:
        writers = crowd(fixture, 4)
        await fixture.wait_until_idle()

        fixture.publish("guild:1")
        late = fixture.open_stream("p0", after=0, session="p0")
        await fixture.wait_until_idle()

        assert late.positions == [1]
        assert [writer.positions for writer in writers] == [[1]] * 4


async def test_a_stream_that_joins_between_slices_hears_the_event_that_admits_it():
    """It was authorized from the grant cache, which does not know of the event yet."""
    async with running_hub(HubFixture(slice_size=1)) as fixture:
        crowd(fixture, 6)
        fixture.channels_by_person["ada"] = {"user:ada"}
        earlier = fixture.open_stream("ada", session="earlier")
        await fixture.wait_until_idle()
        assert earlier.subscription
        fixture.hub.unsubscribe(earlier.subscription)

        fixture.channels_by_person["ada"] = {"user:ada", "guild:2"}
        fixture.publish("guild:1", "guild:2", access_changes=("user:ada",))
        fixture.publish("guild:2")
        late = fixture.open_stream("ada", after=0, session="late")
        await fixture.wait_until_idle()

        assert late.positions == [1, 2]


async def test_a_tick_never_names_a_position_the_stream_has_not_reached():
    async with running_hub(HubFixture(slice_size=1)) as fixture:
        writers = crowd(fixture, 4)
        await fixture.wait_until_idle()
        heartbeat: Heartbeat = fixture.hub._heartbeat

        fixture.publish("guild:1")
        heartbeat.send_tick([writer.subscription for writer in writers if writer.subscription])
        await fixture.wait_until_idle()

        for writer in writers:
            assert writer.positions == [1]
            assert b"event: tick" not in writer.raw_bytes.partition(b'"timestamp":1}')[0]


async def test_a_stream_that_ends_between_slices_is_not_written_to():
    async with running_hub(HubFixture(slice_size=1)) as fixture:
        writers = crowd(fixture, 3)
        await fixture.wait_until_idle()

        fixture.publish("guild:1")
        for writer in writers:
            assert writer.subscription
            fixture.hub.unsubscribe(writer.subscription)
        await fixture.wait_until_idle()

        assert sum(len(writer.positions) for writer in writers) == 1


async def test_a_returning_stream_is_authorized_from_the_grant_cache():
    async with running_hub(HubFixture()) as fixture:
        crowd(fixture, 3)
        await fixture.wait_until_idle()
        fixture.queried_people.clear()

        back = [fixture.open_stream(f"p{n}", after=0, session=f"p{n}") for n in range(3)]
        await fixture.wait_until_idle()

        assert fixture.queried_people == []
        assert [b.connected_frame["verdict"] for b in back] == ["resumed"] * 3


async def test_a_person_whose_access_may_have_changed_is_queried_again():
    async with running_hub(HubFixture()) as fixture:
        first, *_ = crowd(fixture, 3)
        await fixture.wait_until_idle()
        assert first.subscription
        fixture.hub.unsubscribe(first.subscription)
        fixture.queried_people.clear()

        fixture.publish("guild:1", access_changes=("user:p0",))
        fixture.channels_by_person["p0"] = set()
        back = fixture.open_stream("p0", after=0, session="p0")
        await fixture.wait_until_idle()

        assert fixture.queried_people == ["p0"]
        assert back.connected_frame["channels"] == []


async def test_a_changed_channel_evicts_its_holders_from_the_grant_cache():
    async with running_hub(HubFixture()) as fixture:
        writers = crowd(fixture, 3)
        await fixture.wait_until_idle()
        for writer in writers:
            assert writer.subscription
            fixture.hub.unsubscribe(writer.subscription)
        fixture.queried_people.clear()

        fixture.publish("guild:1", access_changes=("guild:1",))
        for number in range(3):
            fixture.open_stream(f"p{number}", session=f"p{number}")
        await fixture.wait_until_idle()

        assert sorted(fixture.queried_people) == ["p0", "p1", "p2"]
