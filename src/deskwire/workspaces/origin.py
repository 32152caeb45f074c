"""Where a change comes from: who did it, when, and what brought it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deskwire.kit.clock import Millis

Principal = str  # a person's id, or "discord:ID"


def discord(snowflake: str) -> Principal:
    """The principal of a Discord user, linked to a person or not."""
    return f"discord:{snowflake}"


@dataclass(frozen=True, slots=True)
class Origin:
    """`at` orders changes of one object (ms; the sender's signed time). `wire` holds the sender's
    own fields, which the event passes on untouched."""

    actor: Principal
    at: Millis
    cause: str | None = None
    wire: Mapping[str, Any] = field(default_factory=dict)
