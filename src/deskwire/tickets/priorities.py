"""List the priorities of a ticket: the stored values and their labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from deskwire.kit.i18n import N_

Priority = Literal["low", "normal", "high", "urgent"]
PRIORITY_LABELS: Mapping[Priority, str] = {
    "low": N_("Low"),
    "normal": N_("Normal"),
    "high": N_("High"),
    "urgent": N_("Urgent"),
}


def find_priority_label(priority: str | None) -> str | None:
    """Return the label (a msgid), or None for a value of a sender's own."""
    return next((label for value, label in PRIORITY_LABELS.items() if value == priority), None)
