"""Test many streams under load: each hears what its viewer may hear, once and in order.

Connections break at random, access is given and taken, and PostgreSQL restarts in the middle. What
each stream was sent is then compared with the log, and with what was acknowledged to the writers.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from deskwire.realtime.buffer import BUFFER_BYTES, ENTRY_OVERHEAD
from tests.fixtures.database_kind import DatabaseKind
from tests.fixtures.scale import scaled
from tests.fixtures.stream_campaign.access_model import AccessModel
from tests.fixtures.stream_campaign.audit import find_lost_writes
from tests.fixtures.stream_campaign.campaign import Campaign, running_campaign
from tests.fixtures.stream_campaign.load import Load, create_writers, fill_buffer
from tests.fixtures.stream_campaign.memory import MemorySampler
from tests.fixtures.stream_campaign.reader import SLEEP

DURATION = {"sqlite": scaled(8), "postgresql": scaled(15)}  # s of load
PEOPLE_PER_KIND = min(scaled(1), 10)  # ten kinds, three streams each
MAX_BEHIND = min(scaled(50), 1000)  # events; 1000 is the server's default
MIN_WRITES = 2 * SLEEP * MAX_BEHIND  # so many that each sleeper is behind before the end
IS_CAMPAIGN = scaled(1) > 1  # it begins with a full buffer, so that memory should not grow at all
# What may be added in the second half beside the events that the buffer keeps: arenas of the
# allocator, and the connections that are opened again after the restart of the database.
MEMORY_SLACK = 12 * 1024 * 1024  # bytes


@pytest.mark.slow
def test_every_stream_hears_what_it_may_once_and_in_order(
    database: DatabaseKind, tmp_path: Path
) -> None:
    load = Load()
    bytes_before = BUFFER_BYTES if IS_CAMPAIGN else 0
    with running_campaign(database, tmp_path, PEOPLE_PER_KIND, MAX_BEHIND) as campaign:
        fill_buffer(campaign.server, bytes_before)
        campaign.wait_until_processed()
        reader, pid = campaign.create_reader(), campaign.server.pid
        memory = MemorySampler(pid, DURATION[database])
        with reader.running():
            reader.wait_until_connected()
            writers = create_writers(campaign.server, load, campaign.cast)
            with memory.running(), load.running(writers):
                write_and_restart(campaign, load, DURATION[database])
            model = campaign.settle(reader)

        assert campaign.server.pid == pid
        assert campaign.server.get("/readyz").status == 200
    problems, totals = campaign.audit(reader, model)
    print(f"\n{len(load.acknowledged)} writes, {dict(load.refused)} refused; {totals}")
    print(f"responses to streams: {dict(reader.statuses)}; cuts: {dict(reader.cuts)}")
    print(f"PSS by quarter: {[each // 1024 for each in memory.quarter_medians]} KiB")
    assert problems == []
    assert reader.failures == []
    assert list(find_lost_writes(model, load.acknowledged)) == []
    assert reader.statuses.keys() <= {200, 503}
    assert totals.resets > 0  # of those that slept; none but those that were due is the audit's
    growth = memory.quarter_medians[3] - memory.quarter_medians[1]
    assert growth < MEMORY_SLACK + (0 if IS_CAMPAIGN else buffer_growth(model))


def write_and_restart(campaign: Campaign, load: Load, duration: float) -> None:
    """Let the writers write for `duration` s, and restart the database in the middle."""
    end = time.monotonic() + duration
    write_until(end - duration / 2, MIN_WRITES // 2, load)
    campaign.restart_database()
    write_until(end, MIN_WRITES, load)


def write_until(deadline: float, least: int, load: Load) -> None:
    """Wait until the time has come, and at least so many writes are acknowledged."""
    while time.monotonic() < deadline or len(load.acknowledged) < least:
        load.wait_for_more(1)


def buffer_growth(model: AccessModel) -> int:
    """Return the bytes that all events take in the server's buffer."""
    return min(sum(event.size + ENTRY_OVERHEAD for event in model.events), BUFFER_BYTES)
