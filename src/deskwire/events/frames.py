"""The bytes of a stream: events, which every reader of `onmessage` sees, and named control frames.

An event keeps the shape `data: {"type","data","timestamp"}` on one line without an `event:` field;
our own frames are named (`tick`, `granted`, `revoked`, `reset`, `goodbye`), so that a page written
for that shape never sees them. Field names: WHATWG HTML, section 9.2.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from deskwire.events.cursor import Cursor
from deskwire.events.redaction import RedactionRule
from deskwire.kit.clock import Millis

RECONNECTS_PER_SECOND = 500  # streams a second we want to see coming back after a restart
FIRST_RECONNECT_MS = 500  # ms; nobody comes back before the new process listens
HEARTBEAT = b":heartbeat\n\n"


def event_frame(cursor: Cursor, type_: str, data: str, at: Millis) -> bytes:
    """One event. `data` is its JSON as stored (one line)."""
    head = f'id: {cursor}\ndata: {{"type":"{type_}","data":{data},"timestamp":{at}}}\n\n'
    return head.encode()


def redact_frame(frame: bytes, target_id: str, rule: RedactionRule) -> bytes | None:
    """An event's frame without what it tells of something; None where it tells nothing of it."""
    head, _, rest = frame.decode().partition("data: ")
    told = json.loads(rest)
    kept = rule(_to_json(told["data"]), target_id)
    if kept is None:
        return None
    return (
        f'{head}data: {{"type":"{told["type"]}","data":{kept},"timestamp":{told["timestamp"]}}}\n\n'
    ).encode()


def read_event_field(frame: bytes, field: str) -> str | None:
    """What a field of the event in a frame says, if it has it."""
    said: str | None = json.loads(frame.partition(b"data: ")[2])["data"].get(field)
    return said


def connected_frame(
    cursor: Cursor,
    *,
    outcome: str,
    subscription_id: str,
    reason: str | None,
    channels: Collection[str],
) -> bytes:
    """The first frame: how the resume went, and what is held now."""
    told = {
        "type": "connected",
        "verdict": outcome,
        "position": str(cursor),
        "seat": subscription_id,
        "because": reason,
        "channels": sorted(channels),
    }
    return f"id: {cursor}\ndata: {_to_json(told)}\n\n".encode()


def control_frame(name: str, cursor: Cursor | None = None, /, **fields: object) -> bytes:
    """A named frame; with a `cursor` it moves the reader's place."""
    place = f"id: {cursor}\n" if cursor is not None else ""
    return f"event: {name}\n{place}data: {_to_json(fields)}\n\n".encode()


def reset_frame(cursor: Cursor, reason: str | None) -> bytes:
    """Tells a page to load its state again and go on from `cursor`."""
    return control_frame("reset", cursor, because=reason, position=str(cursor))


def reconnect_delay_ms(index: int) -> int:
    """After how many ms the stream at this place of a drain may come back."""
    return FIRST_RECONNECT_MS + index * 1000 // RECONNECTS_PER_SECOND


def retry_frame(wait_ms: int) -> bytes:
    """Tells an EventSource how long to wait before it comes back."""
    return f"retry: {wait_ms}\n\n".encode()


def _to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
