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
LOCALES_FOLDER = Path(__file__).parent.parent / "locales"  # LANGUAGE/LC_MESSAGES/deskwire.po
CATALOGUE_PATH = "LC_MESSAGES/deskwire.po"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of one language, by the English ones; what it lacks is said in English."""

    language: str = ENGLISH
    translations: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # all forms, the first alone
    plural_form: Callable[[int], int] = lambda number: int(number != 1)  # which form a number takes
    frontend_texts: frozenset[str] = frozenset()  # of the texts, those that scripts show
    months: Sequence[str] = tuple(calendar.month_name[1:])
    short_months: Sequence[str] = tuple(calendar.month_abbr[1:])
    weekdays: Sequence[str] = tuple(calendar.day_name)  # from Monday on
    thousands_separator: str = ","  # between groups of digits

    @property
    def language_tag(self) -> str:
        """As HTML names the language."""
        return self.language.replace("_", "-")


_active = Catalogue()


def activate(catalogue: Catalogue) -> None:
    """From now on this process says everything in this language."""
    global _active
    _active = catalogue
    _format_date.cache_clear()


def get_active() -> Catalogue:
    """What this process speaks."""
    return _active


def list_languages() -> list[str]:
    """Those that a desk can speak."""
    return sorted(
        {ENGLISH, *(each.parts[-3] for each in LOCALES_FOLDER.glob(f"*/{CATALOGUE_PATH}"))}
    )


def catalogue_path(language: str) -> Path:
    """The catalogue of a language."""
    return LOCALES_FOLDER / language / CATALOGUE_PATH


def gettext(text: str, /, **values: object) -> str:
    """A text of one's own with its values, as this desk says it."""
    return find_text(text) % values


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """The same by number."""
    return find_plural(one, many, number) % {"num": number, **values}


def N_(text: str) -> str:  # noqa: N802 - what tools for catalogues look for
    """The text as it is; `gettext` is asked where it is shown."""
    return text


def find_text(text: str) -> str:
    """A text before its values are put in."""
    found = _active.translations.get(text)
    return found[0] if found else text


def find_plural(one: str, many: str, number: int) -> str:
    """The same by number."""
    found = _active.translations.get(one)
    if not found:
        return one if number == 1 else many
    return found[min(_active.plural_form(number), len(found) - 1)]


def format_date(day: date) -> str:
    """`27 Nov 2026`."""
    return _format_date(day.year, day.month, day.day)


@lru_cache(400)  # days; most rows of a list are of a few
def _format_date(year: int, month: int, day: int) -> str:
    name = _active.short_months[month - 1]
    return gettext("%(day)s %(month)s %(year)s", day=day, month=name, year=year)


def format_number(number: int) -> str:
    """`20,000`."""
    return f"{number:,}".replace(",", _active.thousands_separator)
