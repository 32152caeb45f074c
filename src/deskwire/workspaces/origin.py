"""Describe where a change comes from: its actor, its time and its cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deskwire.kit.clock import Millis

Principal = str  # a person's id, "discord:ID", or "key:ID" of an API key
DIRECT_EDIT_ACTOR: Principal = "sql"  # the actor of edits made directly in the database
DESK_ACTOR: Principal = "desk"  # the actor of what happens by itself at its time


def discord_principal(snowflake: str) -> Principal:
    """Return the principal of a Discord user, linked to a person or not."""
    return f"discord:{snowflake}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a change.

    `at` orders the changes of one object (ms; the sender's signed time). `wire_fields` are the
    sender's own fields, which the event passes on unchanged.
    """

    actor: Principal
    at: Millis
    cause: str | None = None
    wire_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DirectEdit:
    """A direct edit of one row: its columns before and after, as attributes.

    `before` is None for an inserted row, `after` for a deleted one. Every value in `after` has been
    validated, and its revision is above the one in `before`.
    """

    before: Any
    after: Any
    at: Millis
    cause: str

    def origin(self, **wire_fields: Any) -> Origin:  # noqa: ANN401 - JSON
        """Return the origin of the edit's event; fields that are None are left out."""
        fields = {name: value for name, value in wire_fields.items() if value is not None}
        return Origin(DIRECT_EDIT_ACTOR, self.at, self.cause, fields)

    def is_changed(self, *columns: str) -> bool:
        """Whether the row is new, or one of these columns has changed."""
        return self.before is None or any(
            getattr(self.before, name) != getattr(self.after, name) for name in columns
        )
