"""Test replays from behind the buffer: what is read from the log, how often, and for how many."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

from deskwire.events.cursor import Cursor
from deskwire.events.frames import event_frame
from deskwire.events.log import Entry
from deskwire.realtime.backfill import MAX_READS, MIN_PAGES, PAGE_SIZE, LogPages
from deskwire.realtime.buffer import EventBuffer
from tests.fixtures.hub import EPOCH, FakeWriter, HubFixture, make_entry, running_hub, wait_until

STREAMS = 50
BUFFERED_BYTES = 20_000  # some forty entries


def publish_many(fixture: HubFixture, count: int) -> None:
    """Publish `count` events, on `guild:0`, `guild:1` and `guild:2` in turn."""
    for _ in range(count):
        fixture.publish(f"guild:{(len(fixture.log) + 1) % 3}")


def open_streams(fixture: HubFixture, after: int) -> list[FakeWriter]:
    """Open a stream each for many people, who share no set of channels with their neighbors."""
    for number in range(STREAMS):
        channels = {f"guild:{number % 3}", f"user:{number}"}
        fixture.channels_by_person[f"person {number}"] = channels
    return [fixture.open_stream(f"person {number}", after=after) for number in range(STREAMS)]


async def test_streams_too_far_behind_the_buffer_are_reset_before_anything_is_read() -> None:
    async with running_hub(HubFixture(buffer_bytes=BUFFERED_BYTES, max_behind=900)) as fixture:
        publish_many(fixture, 2_000)

        streams = open_streams(fixture, after=1_099)
        await wait_until(lambda: all(stream.frames for stream in streams))

        assert {stream.connected_frame["verdict"] for stream in streams} == {"reset"}
        assert fixture.read_positions == []


async def test_one_page_read_serves_every_stream_regardless_of_channels() -> None:
    async with running_hub(HubFixture(buffer_bytes=BUFFERED_BYTES, max_behind=900)) as fixture:
        publish_many(fixture, 2_000)

        streams = open_streams(fixture, after=1_100)
        await wait_until(lambda: all(stream.positions[-1:] > [1_997] for stream in streams))

        for number, stream in enumerate(streams):
            assert stream.connected_frame["verdict"] == "resumed"
            assert stream.positions == [n for n in range(1_101, 2_001) if n % 3 == number % 3]
        pages = range(1_100, fixture.hub.buffer.floor, PAGE_SIZE)
        assert sorted(fixture.read_positions) == list(pages)


async def test_only_a_few_pages_are_read_at_once_and_live_streams_go_on_meanwhile() -> None:
    async with running_hub(HubFixture(buffer_bytes=BUFFERED_BYTES, max_behind=2_000)) as fixture:
        publish_many(fixture, 1_000)
        fixture.channels_by_person["ada"] = {"guild:0", "guild:1", "guild:2"}
        fixture.channels_by_person["bo"] = {"guild:0"}
        live = fixture.open_stream("ada")
        fixture.read_gate = asyncio.Event()
        behind = [
            fixture.open_stream("bo", after=after) for after in range(0, 8 * PAGE_SIZE, PAGE_SIZE)
        ]
        await wait_until(lambda: fixture.reads_in_progress == MAX_READS)

        publish_many(fixture, 5)

        assert live.positions == [1_001, 1_002, 1_003, 1_004, 1_005]
        fixture.read_gate.set()
        await wait_until(lambda: all(stream.positions[-1:] == [1_005] for stream in behind))
        assert fixture.max_reads_in_progress == MAX_READS


async def test_a_stream_whose_entries_were_trimmed_is_reset() -> None:
    async with running_hub(HubFixture(buffer_bytes=BUFFERED_BYTES)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        publish_many(fixture, 500)
        del fixture.log[:150]

        trimmed = fixture.open_stream("ada", after=149)
        kept = fixture.open_stream("ada", after=150)
        await wait_until(lambda: bool(trimmed.frames and kept.frames))

        assert trimmed.connected_frame["verdict"] == "reset"
        assert kept.connected_frame["verdict"] == "resumed"


async def test_a_stream_overtaken_during_its_replay_is_reset() -> None:
    async with running_hub(HubFixture(buffer_bytes=BUFFERED_BYTES, max_behind=400)) as fixture:
        fixture.channels_by_person = {"ada": {"guild:1"}}
        publish_many(fixture, 500)
        ada = fixture.open_stream("ada", after=200, capacity=1)
        await wait_until(lambda: bool(ada.frames))

        publish_many(fixture, 500)
        ada.capacity = 2**60
        ada.drain()
        await fixture.wait_until_idle()

        assert ada.connected_frame["verdict"] == "resumed"
        assert ada.control_frame_names == ["reset"]
        assert ada.subscription is not None
        assert ada.subscription.is_live


def sent_message(position: int, text: str) -> Entry:
    data = json.dumps({"line": {"id": "m1", "html": text}})
    frame = event_frame(Cursor(EPOCH, position), "ticket.message_sent", data, position)
    return replace(make_entry(position, "guild:1"), type="ticket.message_sent", frame=frame)


async def test_deleted_content_is_redacted_from_backfill_pages() -> None:
    log = [sent_message(1, "a secret"), make_entry(2, "guild:1")]
    buffer = EventBuffer()
    buffer.load([], 2)

    async def read_after(position: int, limit: int) -> list[Entry]:
        await asyncio.sleep(0)
        return [entry for entry in log if entry.position > position][:limit]

    pages = LogPages(read_after, buffer)
    await pages.load(0)
    assert b"a secret" in next(pages.entries_after(0)).frame

    log[0] = sent_message(1, "")
    data = json.dumps({"message": "m1", "line": {"id": "m1"}})
    frame = event_frame(Cursor(EPOCH, 3), "ticket.message_deleted", data, 3)
    deletion = replace(make_entry(3, "guild:1"), type="ticket.message_deleted", frame=frame)
    buffer.append(deletion)

    assert not pages.has(0)
    await pages.load(0)
    assert b"a secret" not in next(pages.entries_after(0)).frame


async def test_pages_are_bounded_in_bytes() -> None:
    log = [make_entry(position, "guild:1") for position in range(1, 40 * PAGE_SIZE)]
    buffer = EventBuffer()
    buffer.load([], len(log))

    async def read_after(position: int, limit: int) -> list[Entry]:
        await asyncio.sleep(0)
        return log[position : position + limit]

    pages = LogPages(read_after, buffer, cache_bytes=1)
    for position in range(0, len(log), PAGE_SIZE):
        await pages.load(position)

    kept = [position for position in range(0, len(log), PAGE_SIZE) if pages.has(position)]
    assert kept == list(range(0, len(log), PAGE_SIZE))[-MIN_PAGES:]
