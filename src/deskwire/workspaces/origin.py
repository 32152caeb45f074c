"""Where a change comes from: who did it, when, and what brought it here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deskwire.kit.clock import Millis

Principal = str  # a person's id, or "discord:ID"
DIRECT_EDIT_ACTOR: Principal = "sql"  # whoever changes the database past Deskwire


def discord_principal(snowflake: str) -> Principal:
    """The principal of a Discord user, linked to a person or not."""
    return f"discord:{snowflake}"


@dataclass(frozen=True, slots=True)
class Origin:
    """`at` orders changes of one object (ms; the sender's signed time). `wire` holds the sender's
    own fields, which the event passes on untouched."""

    actor: Principal
    at: Millis
    cause: str | None = None
    wire_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DirectEdit:
    """What somebody did to one row by hand, as its domain is told: the row before and now.

    Both have the columns as attributes; None: it was not there, or is there no more. Before `now`
    is handed over every value in it was looked at, and its revision is above the one before.
    """

    before: Any
    after: Any
    at: Millis
    cause: str

    def origin(self, **wire_fields: Any) -> Origin:  # noqa: ANN401 - JSON
        """Where the event comes from, with the fields of its own; what is None is left out."""
        told = {name: value for name, value in wire_fields.items() if value is not None}
        return Origin(DIRECT_EDIT_ACTOR, self.at, self.cause, told)

    def is_changed(self, *columns: str) -> bool:
        """Whether one of these columns is not what it was."""
        return self.before is None or any(
            getattr(self.before, name) != getattr(self.after, name) for name in columns
        )
