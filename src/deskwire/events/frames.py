"""The bytes of a stream: events, which every reader of `onmessage` sees, and named control frames.

An event keeps the shape `data: {"type","data","timestamp"}` on one line without an `event:` field;
our own frames are named (`tick`, `granted`, `revoked`, `reset`, `goodbye`), so that a page written
for that shape never sees them. Field names: WHATWG HTML, section 9.2.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from deskwire.events.cursor import Cursor
from deskwire.events.redaction import Rule
from deskwire.kit.clock import Millis

ACCEPT_RATE = 500  # streams a second we want to see coming back after a restart
FIRST_RETURN_MS = 500  # ms; nobody comes back before the new process listens
HEARTBEAT = b":heartbeat\n\n"


def event_frame(cursor: Cursor, type_: str, data: str, at: Millis) -> bytes:
    """One event. `data` is its JSON as stored (one line)."""
    head = f'id: {cursor}\ndata: {{"type":"{type_}","data":{data},"timestamp":{at}}}\n\n'
    return head.encode()


def redacted_frame(frame: bytes, id_: str, rule: Rule) -> bytes | None:
    """An event's frame without what it tells of something; None where it tells nothing of it."""
    head, _, rest = frame.decode().partition("data: ")
    told = json.loads(rest)
    kept = rule(_dump(told["data"]), id_)
    if kept is None:
        return None
    return (
        f'{head}data: {{"type":"{told["type"]}","data":{kept},"timestamp":{told["timestamp"]}}}\n\n'
    ).encode()


def named_in(frame: bytes, field: str) -> str | None:
    """What a field of the event in a frame says, if it has it."""
    said: str | None = json.loads(frame.partition(b"data: ")[2])["data"].get(field)
    return said


def connected_frame(
    cursor: Cursor, *, verdict: str, seat: str, because: str | None, channels: Collection[str]
) -> bytes:
    """The first frame: how the resume went, and what is held now."""
    told = {
        "type": "connected",
        "verdict": verdict,
        "position": str(cursor),
        "seat": seat,
        "because": because,
        "channels": sorted(channels),
    }
    return f"id: {cursor}\ndata: {_dump(told)}\n\n".encode()


def control_frame(name: str, cursor: Cursor | None = None, /, **told: object) -> bytes:
    """A named frame; with a `cursor` it moves the reader's place."""
    place = f"id: {cursor}\n" if cursor is not None else ""
    return f"event: {name}\n{place}data: {_dump(told)}\n\n".encode()


def reset_frame(cursor: Cursor, because: str | None) -> bytes:
    """Tells a page to load its state again and go on from `cursor`."""
    return control_frame("reset", cursor, because=because, position=str(cursor))


def return_slot(place: int) -> int:
    """After how many ms the stream at this place of a drain may come back."""
    return FIRST_RETURN_MS + place * 1000 // ACCEPT_RATE


def retry_frame(wait_ms: int) -> bytes:
    """Tells an EventSource how long to wait before it comes back."""
    return f"retry: {wait_ms}\n\n".encode()


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
