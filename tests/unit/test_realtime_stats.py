"""Test the hub's counters: bytes and frames written, and why each stream began and ended."""

from __future__ import annotations

import asyncio

import pytest

from deskwire.kit.timing import BUCKET_BOUNDS, DurationHistogram, TimedThreadPool, measure_loop_lag
from deskwire.realtime.stats import HubStats
from tests.fixtures.hub import FakeWriter, HubFixture, make_entry, running_hub


def sent(counts: HubStats) -> tuple[int, int]:
    return counts.sends, counts.sent_bytes


def received(*writers: FakeWriter) -> tuple[int, int]:
    """Events and their bytes, as they came out."""
    blocks = [block + b"\n\n" for each in writers for block in each.raw_bytes.split(b"\n\n")]
    events = [block for block in blocks if b'"type":"ticket.updated"' in block]
    return len(events), sum(map(len, events))


async def test_an_event_counts_once_per_stream_that_receives_it():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}, "bo": {"guild:1"}, "cy": {"guild:2"}}
        writers = [hub_fixture.open_stream(person) for person in ("ada", "bo", "cy")]
        await hub_fixture.wait_until_idle()

        hub_fixture.publish("guild:1")

        assert sent(hub_fixture.hub.stats) == received(*writers)
        assert hub_fixture.hub.stats.sends == 2
        assert hub_fixture.hub.stats.events == {"ticket.updated": 1}


async def test_a_burst_counts_the_events_each_stream_receives():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {
            "ada": {"guild:1", "guild:2"},
            "bo": {"guild:1"},
            "cy": {"guild:2"},
        }
        writers = [hub_fixture.open_stream(person) for person in ("ada", "bo", "cy")]
        await hub_fixture.wait_until_idle()

        burst = [
            make_entry(1, "guild:1"),
            make_entry(2, "guild:2"),
            make_entry(3, "guild:1", "guild:2"),
        ]
        hub_fixture.hub.publish([*burst, make_entry(4, "guild:9")])

        assert sent(hub_fixture.hub.stats) == received(*writers)
        assert hub_fixture.hub.stats.sends == 7
        assert hub_fixture.hub.stats.events == {"ticket.updated": 4}
        assert sum(hub_fixture.hub.stats.fanout_durations.read()[0]) == 1


async def test_streams_on_several_channels_of_an_event_count_once():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {
            "ada": {"guild:1", "ticket:7", "user:ada"},
            "bo": {"guild:1", "ticket:7"},
            "cy": {"ticket:7", "user:ada"},
            "mo": {"guild:1"},
            "una": {"user:ada"},
            "eve": {"guild:2"},
        }
        writers = [hub_fixture.open_stream(person) for person in hub_fixture.channels_by_person]
        await hub_fixture.wait_until_idle()

        hub_fixture.publish("ticket:7", "user:ada", "guild:1")
        hub_fixture.publish("ticket:7", "guild:9", "guild:1")

        assert sent(hub_fixture.hub.stats) == received(*writers)
        assert hub_fixture.hub.stats.sends == 5 + 4


async def test_events_of_a_paused_stream_count_when_it_receives_them():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}, "bo": {"guild:1"}}
        ada, bo = hub_fixture.open_stream("ada"), hub_fixture.open_stream("bo")
        await hub_fixture.wait_until_idle()
        assert bo.subscription is not None
        hub_fixture.hub.pause(bo.subscription)

        hub_fixture.publish("guild:1")
        hub_fixture.hub.publish([make_entry(2, "guild:1"), make_entry(3, "guild:1")])
        assert sent(hub_fixture.hub.stats) == received(ada)
        hub_fixture.hub.resume(bo.subscription)
        await hub_fixture.wait_until_idle()

        counts = hub_fixture.hub.stats
        assert sent(counts) == received(ada)
        assert (counts.replayed, counts.replayed_bytes) == received(bo)
        assert bo.positions == [1, 2, 3]


async def test_every_opened_stream_is_open_or_ended_for_one_reason(
    monkeypatch: pytest.MonkeyPatch,
):
    async with running_hub(HubFixture(streams_per_person=2)) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        oldest, left, broken = (hub_fixture.open_stream("ada") for _ in range(3))
        await hub_fixture.wait_until_idle()
        other = hub_fixture.open_stream("eve", session="t")
        hub_fixture.sessions.pop("t")
        await hub_fixture.wait_until_idle()
        assert left.subscription
        monkeypatch.setattr(broken, "write", BrokenWriter.write)
        hub_fixture.publish("guild:1")
        hub_fixture.hub.unsubscribe(left.subscription)
        hub_fixture.hub.unsubscribe(left.subscription)

        counts = hub_fixture.hub.stats
        assert oldest.ended
        assert other.ended
        assert counts.close_reasons == {
            "too-many-streams": 1,
            "signed-out": 1,
            "broken": 1,
            "left": 1,
        }
        assert counts.opened == counts.closed == {"all": 4}


async def test_a_drain_counts_as_an_end_reason():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.open_stream("ada")

        hub_fixture.hub.drain()

        assert hub_fixture.hub.stats.close_reasons == {"restart": 1}


async def test_a_slow_stream_is_counted_when_closed_and_when_it_returns():
    async with running_hub(HubFixture(buffer_bytes=1500)) as hub_fixture:
        hub_fixture.channels_by_person = {"ada": {"guild:1"}}
        slow = hub_fixture.open_stream("ada")
        await hub_fixture.wait_until_idle()
        assert slow.subscription
        hub_fixture.hub.pause(slow.subscription)
        for _ in range(10):
            hub_fixture.publish("guild:1")
        hub_fixture.hub.resume(slow.subscription)
        hub_fixture.open_stream("ada", after=0)
        await hub_fixture.wait_until_idle()

        counts = hub_fixture.hub.stats
        assert counts.close_reasons == {"slow": 1}
        assert counts.starts == {("live", None): 1, ("resumed", "slow"): 1}


async def test_resumes_and_resets_are_counted_by_kind_and_reason():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.publish("guild:1")
        for after in (None, 1, 2, "ffffffff-1", "nonsense"):
            hub_fixture.open_stream("ada", after)
        await hub_fixture.wait_until_idle()

        assert hub_fixture.hub.stats.starts == {
            ("live", None): 1,
            ("resumed", None): 1,
            ("reset", "future"): 1,
            ("reset", "epoch"): 1,
            ("reset", "unreadable"): 1,
        }


async def test_streams_count_as_waiting_until_authorized():
    async with running_hub(HubFixture()) as hub_fixture:
        hub_fixture.answer_gate = asyncio.Event()
        hub_fixture.open_stream("ada")
        hub_fixture.open_stream("ada")
        hub_fixture.open_stream("bo")
        await hub_fixture.wait_until_idle()
        assert hub_fixture.hub.awaiting_access == 3

        hub_fixture.answer_gate.set()
        await hub_fixture.wait_until_idle()

        assert hub_fixture.hub.awaiting_access == 0


def test_a_duration_is_in_the_first_bucket_that_holds_it():
    durations = DurationHistogram()

    for seconds in (0.0, BUCKET_BOUNDS[0], BUCKET_BOUNDS[1], 60.0):
        durations.observe(seconds)

    counts, total = durations.read()
    assert counts == [2, 1, *[0] * (len(BUCKET_BOUNDS) - 2), 1]
    assert total == 60.0 + BUCKET_BOUNDS[0] + BUCKET_BOUNDS[1]


def test_thread_pools_time_calls_including_failed_ones():
    threads = TimedThreadPool(1, name="test")

    assert threads.submit(divmod, 7, 2).result() == (3, 1)
    assert isinstance(threads.submit(divmod, 7, 0).exception(), ZeroDivisionError)

    threads.shutdown()
    for durations in (threads.wait_times, threads.run_times):
        assert sum(durations.read()[0]) == 2


async def test_loop_lag_is_the_delay_of_a_timer():
    lags, time = DurationHistogram(), [0.0]
    late = iter((0.0, 0.2, 0.0))

    async def sleep(seconds: float) -> None:
        try:
            time[0] += seconds + next(late)
        except StopIteration:
            raise asyncio.CancelledError from None

    watching = asyncio.ensure_future(measure_loop_lag(lags, clock=lambda: time[0], sleep=sleep))
    await asyncio.gather(watching, return_exceptions=True)

    counts, total = lags.read()
    assert sum(counts) == 3
    assert abs(total - 0.2) < 1e-9


class BrokenWriter:
    """A way out that fails."""

    @staticmethod
    def write(_data: bytes) -> None:
        raise OSError("the other side is gone")
