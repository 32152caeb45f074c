"""Keep the newest entries of the log in memory, with their frames.

A subscription is a cursor into this buffer, so that replaying, joining and pausing need no list of
their own and a reconnect costs no SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deskwire.events.frames import read_event_data, redact_frame
from deskwire.events.log import Entry
from deskwire.events.redaction import REDACTIONS, Redaction, find_redaction

BUFFER_BYTES = 32 * 1024 * 1024  # bytes of memory; at 1 KB an entry some 30,000 entries
ENTRY_OVERHEAD = 600  # bytes of resident memory that an entry takes besides its frame (measured)
DROPPED_AT_ONCE = 256  # entries; deleting one from the front of a list moves all others


class EventBuffer:
    """A run of entries without gaps: `floor` < position ≤ `head`."""

    def __init__(self, limit: int = BUFFER_BYTES) -> None:
        self.floor = 0  # entries at or before it are not in the buffer
        self.head = 0
        self.redaction_count = 0  # grows when older entries change; pages of the log follow it
        self._limit = limit
        self._size = 0
        self._entries: list[Entry] = []
        self._first_index = 0  # index of the oldest entry that was not dropped

    def load(self, entries: list[Entry], head: int) -> None:
        """Start with the newest `entries` of the log; `head` is used where the log is empty."""
        self._entries, self._first_index, self._size = [], 0, 0
        self.redaction_count += 1
        self.floor = self.head = entries[0].position - 1 if entries else head
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry) -> None:
        """Add the next entry, and drop the oldest ones while the buffer exceeds its limit.

        If the entry says that something was edited or deleted, older frames lose its text.
        """
        if entry.position != self.head + 1:
            raise AssertionError(f"position {entry.position} after {self.head}: the bus lost one")
        if redaction := _find_redaction(entry):
            self._redact_older(redaction)
        self._entries.append(entry)
        self._size += len(entry.frame) + ENTRY_OVERHEAD
        self.head = entry.position
        while self._size > self._limit and self.floor < self.head:
            self._drop_oldest()

    def _redact_older(self, redaction: Redaction) -> None:
        """Redact the entries that mention what was deleted: no replay may send its text."""
        self.redaction_count += 1
        for index in range(self._first_index, len(self._entries)):
            entry = self._entries[index]
            if redaction.ticket is not None and entry.ticket != redaction.ticket:
                continue  # nearly all of 30,000 entries, in 1 ms
            if redacted := _redact_entry(redaction, entry):
                self._size += len(redacted.frame) - len(entry.frame)
                self._entries[index] = redacted

    def trim(self, floor: int) -> None:
        """Drop entries at or before `floor`, which were trimmed from the log."""
        while self.floor < min(floor, self.head):
            self._drop_oldest()

    def entries_after(self, position: int) -> Iterator[Entry]:
        """Yield the entries after `position`, which must not be below the floor."""
        for index in range(self._first_index + position - self.floor, len(self._entries)):
            yield self._entries[index]

    def _drop_oldest(self) -> None:
        oldest = self._entries[self._first_index]
        self._size -= len(oldest.frame) + ENTRY_OVERHEAD
        self.floor = oldest.position
        self._first_index += 1
        if self._first_index >= DROPPED_AT_ONCE:
            del self._entries[: self._first_index]
            self._first_index = 0


def _find_redaction(entry: Entry) -> Redaction | None:
    if entry.type not in REDACTIONS or not entry.frame:
        return None
    data = read_event_data(entry.frame)
    return find_redaction(entry.position, entry.type, entry.workspace, entry.ticket, data)


def _redact_entry(redaction: Redaction, entry: Entry) -> Entry | None:
    """Return the entry redacted; None if it stays as it is."""
    if not entry.frame or not redaction.covers(entry.position, entry.workspace, entry.ticket):
        return None
    if redaction.rule.scope == "log" and redaction.target.encode() not in entry.frame:
        return None
    frame = redact_frame(entry.frame, redaction.target, redaction.rule.redact)
    if frame is None:
        return None
    return replace(entry, frame=frame, channels=entry.channels if frame else ())
