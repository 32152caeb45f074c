"""Keep the newest entries of the log in memory, with their frames.

A subscription is a cursor into this buffer, so that replaying, joining and pausing need no list of
their own and a reconnect costs no SQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deskwire.events.channels import Workspace
from deskwire.events.frames import read_event_field, redact_frame
from deskwire.events.log import Entry
from deskwire.events.redaction import (
    REDACTIONS,
    WORKSPACE_REDACTED_PREFIX,
    WORKSPACE_REDACTING_TYPES,
    RedactionRule,
)

BUFFER_BYTES = 32 * 1024 * 1024  # bytes of frames; at 1 KB an event some 30,000 events
ENTRY_OVERHEAD = 400  # bytes; what an entry costs besides its frame (measured with tracemalloc)


class EventBuffer:
    """A run of entries without gaps: `floor` < position ≤ `head`."""

    def __init__(self, limit: int = BUFFER_BYTES) -> None:
        self.floor = 0  # entries at or before it are not in the buffer
        self.head = 0
        self.redaction_count = 0  # of entries that redacted older ones; pages of the log follow it
        self._limit = limit
        self._size = 0
        self._entries: list[Entry] = []
        self._first_index = 0  # index of the oldest entry that was not dropped

    def load(self, entries: list[Entry], head: int) -> None:
        """Start with the newest `entries` of the log; `head` is used where the log is empty."""
        self._entries, self._first_index, self._size = [], 0, 0
        self.floor = self.head = entries[0].position - 1 if entries else head
        for entry in entries:
            self.append(entry)

    def append(self, entry: Entry) -> None:
        """Add the next entry, and drop the oldest ones while the buffer exceeds its limit.

        If the entry says that something was edited or deleted, older frames lose its text.
        """
        if entry.position != self.head + 1:
            raise AssertionError(f"position {entry.position} after {self.head}: the bus lost one")
        redaction = REDACTIONS.get(entry.type)
        if redaction and (id_ := read_event_field(entry.frame, redaction.field)):
            self._redact(id_, redaction.rule)
        if entry.type in WORKSPACE_REDACTING_TYPES:
            self._redact_workspace(entry.workspace)
        self._entries.append(entry)
        self._size += len(entry.frame) + ENTRY_OVERHEAD
        self.head = entry.position
        while self._size > self._limit and self.floor < self.head:
            self._drop_oldest()

    def _redact(self, target_id: str, rule: RedactionRule) -> None:
        """Apply `rule` to the frames that mention `target_id`: no replay may send its text."""
        self.redaction_count += 1
        needle = target_id.encode()
        for index in range(self._first_index, len(self._entries)):
            entry = self._entries[index]
            if needle in entry.frame and (frame := redact_frame(entry.frame, target_id, rule)):
                self._size += len(frame) - len(entry.frame)
                self._entries[index] = replace(entry, frame=frame)

    def _redact_workspace(self, workspace: Workspace | None) -> None:
        """Remove channels and frames of a workspace's tickets, as `log.redact_workspace` does."""
        self.redaction_count += 1
        for index in range(self._first_index, len(self._entries)):
            entry = self._entries[index]
            if entry.workspace == workspace and entry.type.startswith(WORKSPACE_REDACTED_PREFIX):
                self._size -= len(entry.frame)
                self._entries[index] = replace(entry, channels=(), frame=b"")

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
        if self._first_index > 1024 and self._first_index * 2 > len(self._entries):
            del self._entries[: self._first_index]
            self._first_index = 0
