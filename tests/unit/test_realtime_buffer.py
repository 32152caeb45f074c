"""Test how much the buffer of the newest entries keeps in memory."""

from __future__ import annotations

import sys
from dataclasses import replace

from deskwire.realtime.buffer import DROPPED_AT_ONCE, ENTRY_OVERHEAD, EventBuffer
from tests.fixtures.hub import make_entry

FRAME_BYTES = 1000
KEPT = 2000  # entries


def test_frames_that_were_dropped_are_released() -> None:
    buffer = EventBuffer(KEPT * (FRAME_BYTES + ENTRY_OVERHEAD))
    frames = [bytes([position % 256]) * FRAME_BYTES for position in range(3 * KEPT)]
    unused = sys.getrefcount(frames[0])
    for index in range(3 * KEPT):
        buffer.append(replace(make_entry(index + 1), frame=frames[index]))
    assert buffer.head - buffer.floor == KEPT
    retained = sum(sys.getrefcount(frames[index]) > unused for index in range(3 * KEPT))
    assert KEPT <= retained < KEPT + DROPPED_AT_ONCE
