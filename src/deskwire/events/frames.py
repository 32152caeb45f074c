"""Encode the frames of a stream: events, which `onmessage` receives, and named control frames.

An event keeps the shape `data: {"type","data","timestamp"}` on one line without an `event:` field.
Control frames are named (`tick`, `granted`, `revoked`, `reset`, `notice`, `goodbye`), so that a
page written for that shape never receives them. Field names: WHATWG HTML, section 9.2.

`id:` is the last line of every frame. Some clients keep the id of a frame that was cut in the
middle, and resume after an event whose data they never received.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from zlib import crc32

from deskwire.events.channels import subject_of_channel
from deskwire.events.cursor import Cursor
from deskwire.events.redaction import ERASED, RedactionRule
from deskwire.kit.clock import Millis

RECONNECTS_PER_SECOND = 500  # streams per second that may reconnect after a restart
FIRST_RECONNECT_MS = 500  # ms; no client reconnects before the new process listens
MAX_LISTED_CHANNELS = 64  # channels; a person has one of 46 bytes for each ticket of their own
HEARTBEAT = b":heartbeat\n\n"


def event_frame(cursor: Cursor, type_: str, data: str, at: Millis) -> bytes:
    """Encode one event; `data` is its JSON as stored, on one line."""
    return _render_event(type_, data, at, f"id: {cursor}\n\n").encode()


def redact_frame(frame: bytes, target_id: str, rule: RedactionRule) -> bytes | None:
    """Apply `rule` for `target_id` to an event's frame.

    Returns None if it mentions nothing to redact, and no bytes if nothing of it remains.
    """
    _, _, end = frame.decode().partition("\n")
    event = json.loads(read_event_json(frame))
    data = rule(event["type"], _to_json(event["data"]), target_id)
    if data is None:
        return None
    if data == ERASED:
        return b""
    return _render_event(event["type"], data, event["timestamp"], end).encode()


def read_event_data(frame: bytes) -> str:
    """Return the data of the event in a frame, as JSON."""
    return _to_json(json.loads(read_event_json(frame))["data"])


def read_event_json(frame: bytes) -> str:
    """Return the JSON of an event's frame: its type, its data and its timestamp."""
    return frame.decode().partition("\n")[0].removeprefix("data: ")


def connected_frame(
    cursor: Cursor,
    *,
    outcome: str,
    subscription_id: str,
    reason: str | None,
    channels: Collection[str],
) -> bytes:
    """Encode the first frame of a stream: whether it resumed, and the channels it holds.

    Of more than MAX_LISTED_CHANNELS it names only the person's own, and a digest of all.
    """
    fields: dict[str, object] = {
        "type": "connected",
        "verdict": outcome,
        "position": str(cursor),
        "seat": subscription_id,
        "because": reason,
        "channels": sorted(channels),
    }
    if len(channels) > MAX_LISTED_CHANNELS:
        fields["channels"] = sorted(name for name in channels if subject_of_channel(name))
        fields["digest"] = digest_channels(channels)
    return f"data: {_to_json(fields)}\nid: {cursor}\n\n".encode()


def digest_channels(channels: Collection[str]) -> str:
    """Return the digest by which a client recognizes the channels it knows: COUNT-CRC32.

    A client computes it too (`frontend/src/model/channels.ts`). It protects nothing: what a stream
    is sent depends on the channels themselves.
    """
    checksum = crc32("\n".join(sorted(channels)).encode())
    return f"{len(channels)}-{checksum:08x}"


def control_frame(name: str, cursor: Cursor | None = None, /, **fields: object) -> bytes:
    """Encode a named frame; a `cursor` becomes the client's last event id."""
    id_line = f"id: {cursor}\n" if cursor is not None else ""
    return f"event: {name}\ndata: {_to_json(fields)}\n{id_line}\n".encode()


def reset_frame(cursor: Cursor, reason: str | None) -> bytes:
    """Tell a page to reload its state and continue from `cursor`."""
    return control_frame("reset", cursor, because=reason, position=str(cursor))


def reconnect_delay_ms(index: int) -> int:
    """Return the delay in ms before the stream at `index` of a drain may reconnect."""
    return FIRST_RECONNECT_MS + index * 1000 // RECONNECTS_PER_SECOND


def retry_frame(wait_ms: int) -> bytes:
    """Tell an EventSource how long to wait before it reconnects."""
    return f"retry: {wait_ms}\n\n".encode()


def _render_event(type_: str, data: str, at: Millis, end: str) -> str:
    return f'data: {{"type":"{type_}","data":{data},"timestamp":{at}}}\n{end}'


def _to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
