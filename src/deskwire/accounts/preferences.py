"""Set a person's theme and time zone."""

from __future__ import annotations

from zoneinfo import available_timezones

from sqlalchemy import Connection

from deskwire.accounts.people import Person, record_person_changed, update_columns
from deskwire.events.channels import PersonId
from deskwire.kit.clock import Millis
from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import gettext

THEMES = ("system", "light", "dark")


def set_preferences(
    tx: Connection, person_id: PersonId, *, theme: str | None, time_zone: str | None, at: Millis
) -> Person:
    """Store a parsed theme and time zone. None means the setting of the person's own system."""
    person = update_columns(tx, person_id, {"theme": theme, "time_zone": time_zone})
    record_person_changed(tx, person, person_id, at, access_changed=False)
    return person


def parse_theme(text: str) -> str | None:
    """Return `light`, `dark`, or None for `system`. Raises Invalid for anything else."""
    if text not in THEMES:
        raise Invalid(
            gettext("Choose one of: %(words)s.", words=", ".join(THEMES)),
            {"theme": gettext("Choose one of the options.")},
        )
    return None if text == "system" else text


def parse_time_zone(text: str) -> str | None:
    """Return an IANA time zone name, or None (the browser's own) for an empty text.

    Raises Invalid for a name that is not in the IANA list.
    """
    if text and text not in available_timezones():
        sentence = gettext("Choose a time zone from the list, like Europe/Oslo.")
        raise Invalid(sentence, {"time_zone": sentence})
    return text or None
