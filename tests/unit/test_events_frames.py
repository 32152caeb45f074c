"""Test the frames of a stream: a connection may end anywhere in them, and no event is lost."""

from __future__ import annotations

import json

import pytest

from deskwire.events.cursor import Cursor
from deskwire.events.frames import (
    connected_frame,
    control_frame,
    digest_channels,
    event_frame,
    redact_frame,
    reset_frame,
)

EPOCH = "0123abcd"


def event(position: int) -> bytes:
    return event_frame(Cursor(EPOCH, position), "ticket.updated", f'{{"n":{position}}}', position)


def connected(position: int) -> bytes:
    return connected_frame(
        Cursor(EPOCH, position), outcome="reset", subscription_id="s", reason=None, channels=()
    )


FRAMES = {
    "event": event(2),
    "redacted event": redact_frame(event(2), "x", lambda _type, data, _id: data) or b"",
    "connected": connected(2),
    "reset": reset_frame(Cursor(EPOCH, 2), "behind"),
    "tick": control_frame("tick", Cursor(EPOCH, 2), position=f"{EPOCH}-2", time=2),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_truncated_frame_has_an_id_only_with_complete_data(frame: bytes) -> None:
    for end in range(len(frame) + 1):
        cut = fields_of(frame[:end])

        assert "id" not in cut or json.loads(cut["data"]) == json.loads(fields_of(frame)["data"])


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_the_id_is_the_last_field(frame: bytes) -> None:
    assert list(fields_of(frame))[-1] == "id"
    assert frame.endswith(f"\nid: {EPOCH}-2\n\n".encode())


def fields_of(received: bytes) -> dict[str, str]:
    """Parse a frame as a client does that dispatches what it has when the connection ends."""
    lines = received.decode().splitlines()
    return {name: value for name, _, value in (line.partition(": ") for line in lines) if name}


def test_a_few_channels_are_listed() -> None:
    few = [f"ticket:{number:02}" for number in range(63)] + ["user:p"]

    data = connected_data(few)

    assert data["channels"] == few
    assert "digest" not in data


def test_many_channels_are_sent_as_the_personal_one_and_a_digest() -> None:
    many = [f"ticket:{number}" for number in range(10_000)] + ["user:p"]

    data = connected_data(many)

    assert data["channels"] == ["user:p"]
    assert data["digest"] == digest_channels(many[::-1])
    assert data["digest"] != digest_channels(many[1:])
    assert len(json.dumps(data)) < 300


def test_a_digest_equals_the_one_the_frontend_computes() -> None:
    assert digest_channels(["user:p", "guild:1"]) == "2-35fd3113"  # as in channels.test.ts


def connected_data(channels: list[str]) -> dict[str, object]:
    frame = connected_frame(
        Cursor(EPOCH, 2), outcome="live", subscription_id="s", reason=None, channels=channels
    )
    data: dict[str, object] = json.loads(fields_of(frame)["data"])
    return data
