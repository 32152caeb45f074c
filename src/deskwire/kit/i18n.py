"""What people read, in the one language of this desk: English is written, and looked up when shown.

    gettext("Gone since %(day)s.", day=day)       a sentence; `%(day)s` stands for a value
    ngettext("%(num)s file", "%(num)s files", 3)  by number, which is `num`
    N_("Submitted")                               marks a text of a table, for `gettext` later

Not looked up: what is law (statuses, types of events, codes), what the log says, and the shell.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path

ENGLISH = "en"
LOCALES = Path(__file__).parent.parent / "locales"  # LANGUAGE/LC_MESSAGES/deskwire.po
CATALOGUE = "LC_MESSAGES/deskwire.po"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of one language, by the English ones; what it lacks is said in English."""

    language: str = ENGLISH
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)  # all forms, the first alone
    form_of: Callable[[int], int] = lambda number: int(number != 1)  # which form a number takes
    in_browsers: frozenset[str] = frozenset()  # of the texts, those that scripts show
    months: Sequence[str] = tuple(calendar.month_name[1:])
    short_months: Sequence[str] = tuple(calendar.month_abbr[1:])
    weekdays: Sequence[str] = tuple(calendar.day_name)  # from Monday on
    thousands: str = ","  # between groups of digits

    @property
    def tag(self) -> str:
        """As HTML names the language."""
        return self.language.replace("_", "-")


_spoken = Catalogue()


def speak(catalogue: Catalogue) -> None:
    """From now on this process says everything in this language."""
    global _spoken
    _spoken = catalogue
    _day_text.cache_clear()


def spoken() -> Catalogue:
    """What this process speaks."""
    return _spoken


def languages() -> list[str]:
    """Those that a desk can speak."""
    return sorted({ENGLISH, *(each.parts[-3] for each in LOCALES.glob(f"*/{CATALOGUE}"))})


def path_of(language: str) -> Path:
    """The catalogue of a language."""
    return LOCALES / language / CATALOGUE


def gettext(text: str, /, **values: object) -> str:
    """A text of one's own with its values, as this desk says it."""
    return find(text) % values


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """The same by number."""
    return find_form(one, many, number) % {"num": number, **values}


def N_(text: str) -> str:  # noqa: N802 - what tools for catalogues look for
    """The text as it is; `gettext` is asked where it is shown."""
    return text


def find(text: str) -> str:
    """A text before its values are put in."""
    found = _spoken.texts.get(text)
    return found[0] if found else text


def find_form(one: str, many: str, number: int) -> str:
    """The same by number."""
    found = _spoken.texts.get(one)
    if not found:
        return one if number == 1 else many
    return found[min(_spoken.form_of(number), len(found) - 1)]


def day_text(of: date) -> str:
    """`27 Nov 2026`."""
    return _day_text(of.year, of.month, of.day)


@lru_cache(400)  # days; most rows of a list are of a few
def _day_text(year: int, month: int, day: int) -> str:
    name = _spoken.short_months[month - 1]
    return gettext("%(day)s %(month)s %(year)s", day=day, month=name, year=year)


def numeral(number: int) -> str:
    """`20,000`."""
    return f"{number:,}".replace(",", _spoken.thousands)
