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
from tests.fixtures.stream_campaign.load import Load, create_writers
from tests.fixtures.stream_campaign.memory import MemorySampler
from tests.fixtures.stream_campaign.reader import SLEEP, StreamReader

DURATION = {"sqlite": scaled(8), "postgresql": scaled(15)}  # s of load
PEOPLE_PER_KIND = min(scaled(1), 10)  # ten kinds, three streams each
MAX_BEHIND = min(scaled(50), 1000)  # events; 1000 is the server's default
MIN_WRITES = 2 * SLEEP * MAX_BEHIND  # so many that each sleeper is behind before the end
# What may be added in a quarter beside the events that the buffer keeps: arenas of the allocator,
# stacks of threads, and the connections that are opened again after a restart of the database.
MEMORY_SLACK = 12 * 1024 * 1024  # bytes


@pytest.mark.slow
def test_every_stream_hears_what_it_may_once_and_in_order(
    database: DatabaseKind, tmp_path: Path
) -> None:
    load = Load()
    with running_campaign(database, tmp_path, PEOPLE_PER_KIND, MAX_BEHIND) as campaign:
        reader, pid = campaign.create_reader(), campaign.server.pid
        memory = MemorySampler(pid, DURATION[database])
        with reader.running():
            reader.wait_until_connected()
            writers = create_writers(campaign.server, load, campaign.cast)
            with memory.running(), load.running(writers):
                half = write_and_restart(campaign, reader, load, DURATION[database])
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
    assert memory.quarter_medians[3] - memory.quarter_medians[2] < MEMORY_SLACK + buffer_growth(
        model, half
    )


def write_and_restart(campaign: Campaign, reader: StreamReader, load: Load, duration: float) -> int:
    """Let the writers write for `duration` s, and restart the database in the middle.

    Returns the newest position at the restart.
    """
    end = time.monotonic() + duration
    write_until(end - duration / 2, MIN_WRITES // 2, load)
    half = reader.newest
    campaign.restart_database()
    write_until(end, MIN_WRITES, load)
    return half


def write_until(deadline: float, least: int, load: Load) -> None:
    """Wait until the time has come, and at least so many writes are acknowledged."""
    while time.monotonic() < deadline or len(load.acknowledged) < least:
        load.wait_for_more(1)


def buffer_growth(model: AccessModel, position: int) -> int:
    """Return the bytes by which the events after `position` made the server's buffer grow."""
    sizes = [event.size + ENTRY_OVERHEAD for event in model.events]
    return min(sum(sizes), BUFFER_BYTES) - min(sum(sizes[:position]), BUFFER_BYTES)
