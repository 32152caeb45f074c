"""What a hub counts: exactly what was written, and why each stream began and ended."""

from __future__ import annotations

import asyncio

import pytest

from deskwire.kit.timing import BOUNDS, Durations, TimedThreads, watch_loop
from deskwire.realtime.stats import Counts
from tests.fixtures.hub import Bench, Outlet, entry, running


def sent(counts: Counts) -> tuple[int, int]:
    return counts.sends, counts.sent_bytes


def received(*outlets: Outlet) -> tuple[int, int]:
    """Events and their bytes, as they came out."""
    blocks = [block + b"\n\n" for each in outlets for block in each.data.split(b"\n\n")]
    events = [block for block in blocks if b'"type":"ticket.updated"' in block]
    return len(events), sum(map(len, events))


async def test_an_event_counts_once_for_each_stream_that_hears_it():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}, "bo": {"guild:1"}, "cy": {"guild:2"}}
        outlets = [bench.join(person) for person in ("ada", "bo", "cy")]
        await bench.settle()

        bench.say("guild:1")

        assert sent(bench.hub.counts) == received(*outlets)
        assert bench.hub.counts.sends == 2
        assert bench.hub.counts.events == {"ticket.updated": 1}


async def test_a_burst_counts_what_each_stream_hears_of_it():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1", "guild:2"}, "bo": {"guild:1"}, "cy": {"guild:2"}}
        outlets = [bench.join(person) for person in ("ada", "bo", "cy")]
        await bench.settle()

        burst = [entry(1, "guild:1"), entry(2, "guild:2"), entry(3, "guild:1", "guild:2")]
        bench.hub.dispatch([*burst, entry(4, "guild:9")])

        assert sent(bench.hub.counts) == received(*outlets)
        assert bench.hub.counts.sends == 7
        assert bench.hub.counts.events == {"ticket.updated": 4}
        assert sum(bench.hub.counts.fan_out.read()[0]) == 1


async def test_streams_on_several_channels_of_an_event_count_once():
    async with running(Bench()) as bench:
        bench.access = {
            "ada": {"guild:1", "ticket:7", "user:ada"},
            "bo": {"guild:1", "ticket:7"},
            "cy": {"ticket:7", "user:ada"},
            "mo": {"guild:1"},
            "una": {"user:ada"},
            "eve": {"guild:2"},
        }
        outlets = [bench.join(person) for person in bench.access]
        await bench.settle()

        bench.say("ticket:7", "user:ada", "guild:1")
        bench.say("ticket:7", "guild:9", "guild:1")

        assert sent(bench.hub.counts) == received(*outlets)
        assert bench.hub.counts.sends == 5 + 4


async def test_what_a_stream_that_stands_still_hears_later_counts_then():
    async with running(Bench()) as bench:
        bench.access = {"ada": {"guild:1"}, "bo": {"guild:1"}}
        ada, bo = bench.join("ada"), bench.join("bo")
        await bench.settle()
        assert bo.seat is not None
        bench.hub.pause(bo.seat)

        bench.say("guild:1")
        bench.hub.dispatch([entry(2, "guild:1"), entry(3, "guild:1")])
        assert sent(bench.hub.counts) == received(ada)
        bench.hub.resume(bo.seat)
        await bench.settle()

        counts = bench.hub.counts
        assert sent(counts) == received(ada)
        assert (counts.caught_up, counts.caught_up_bytes) == received(bo)
        assert bo.heard == [1, 2, 3]


async def test_every_stream_that_was_opened_is_open_or_has_ended_for_one_reason(
    monkeypatch: pytest.MonkeyPatch,
):
    async with running(Bench(streams=2)) as bench:
        bench.access = {"ada": {"guild:1"}}
        oldest, left, broken = (bench.join("ada") for _ in range(3))
        await bench.settle()
        other = bench.join("eve", session="t")
        bench.sessions.pop("t")
        await bench.settle()
        assert left.seat
        monkeypatch.setattr(broken, "write", Broken.write)
        bench.say("guild:1")
        bench.hub.leave(left.seat)
        bench.hub.leave(left.seat)

        counts = bench.hub.counts
        assert oldest.ended
        assert other.ended
        assert counts.endings == {"too-many-streams": 1, "signed-out": 1, "broken": 1, "left": 1}
        assert counts.opened == counts.closed == {"all": 4}


async def test_a_drain_is_a_reason_too():
    async with running(Bench()) as bench:
        bench.join("ada")

        bench.hub.drain()

        assert bench.hub.counts.endings == {"restart": 1}


async def test_a_slow_stream_is_let_go_and_comes_back_because_of_it():
    async with running(Bench(window=1500)) as bench:
        bench.access = {"ada": {"guild:1"}}
        slow = bench.join("ada")
        await bench.settle()
        assert slow.seat
        bench.hub.pause(slow.seat)
        for _ in range(10):
            bench.say("guild:1")
        bench.hub.resume(slow.seat)
        bench.join("ada", after=0)
        await bench.settle()

        counts = bench.hub.counts
        assert counts.endings == {"slow": 1}
        assert counts.starts == {("live", None): 1, ("resumed", "slow"): 1}


async def test_resumes_and_resets_are_counted_by_how_and_why():
    async with running(Bench()) as bench:
        bench.say("guild:1")
        for after in (None, 1, 2, "ffffffff-1", "nonsense"):
            bench.join("ada", after)
        await bench.settle()

        assert bench.hub.counts.starts == {
            ("live", None): 1,
            ("resumed", None): 1,
            ("reset", "future"): 1,
            ("reset", "epoch"): 1,
            ("reset", "unreadable"): 1,
        }


async def test_streams_wait_until_access_has_answered():
    async with running(Bench()) as bench:
        bench.gate = asyncio.Event()
        bench.join("ada")
        bench.join("ada")
        bench.join("bo")
        await bench.settle()
        assert bench.hub.waiting == 3

        bench.gate.set()
        await bench.settle()

        assert bench.hub.waiting == 0


def test_a_duration_is_in_the_first_bucket_that_holds_it():
    durations = Durations()

    for seconds in (0.0, BOUNDS[0], BOUNDS[1], 60.0):
        durations.add(seconds)

    counts, total = durations.read()
    assert counts == [2, 1, *[0] * (len(BOUNDS) - 2), 1]
    assert total == 60.0 + BOUNDS[0] + BOUNDS[1]


def test_threads_time_what_they_run_also_where_it_fails():
    threads = TimedThreads(1, name="test")

    assert threads.submit(divmod, 7, 2).result() == (3, 1)
    assert isinstance(threads.submit(divmod, 7, 0).exception(), ZeroDivisionError)

    threads.shutdown()
    for durations in (threads.waits, threads.works):
        assert sum(durations.read()[0]) == 2


async def test_the_loop_is_as_late_as_what_is_due_in_it():
    lags, time = Durations(), [0.0]
    late = iter((0.0, 0.2, 0.0))

    async def sleep(seconds: float) -> None:
        try:
            time[0] += seconds + next(late)
        except StopIteration:
            raise asyncio.CancelledError from None

    watching = asyncio.ensure_future(watch_loop(lags, clock=lambda: time[0], sleep=sleep))
    await asyncio.gather(watching, return_exceptions=True)

    counts, total = lags.read()
    assert sum(counts) == 3
    assert abs(total - 0.2) < 1e-9


class Broken:
    """A way out that fails."""

    @staticmethod
    def write(_data: bytes) -> None:
        raise OSError("the other side is gone")
