"""Translate user-visible texts into the language of this desk. The source language is English.

    gettext("Closed on %(day)s.", day=day)        a text; `%(day)s` is a placeholder
    ngettext("%(num)s file", "%(num)s files", 3)  a plural; `num` is the number
    N_("Submitted")                               marks a text that `gettext` translates later

Statuses, event types, problem codes, log messages and the command line are not translated.
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
class Catalog:
    """The translations into one language; a text without a translation is shown in English."""

    language: str = ENGLISH
    # English text (of a plural: its singular) → the translation's forms
    translations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    plural_form: Callable[[int], int] = lambda number: int(number != 1)  # number → index of a form
    frontend_texts: frozenset[str] = frozenset()  # English texts that the front end shows
    months: Sequence[str] = tuple(calendar.month_name[1:])
    short_months: Sequence[str] = tuple(calendar.month_abbr[1:])
    weekdays: Sequence[str] = tuple(calendar.day_name)  # Monday first
    thousands_separator: str = ","  # between groups of digits

    @property
    def language_tag(self) -> str:
        """Return the language as a BCP 47 tag, for HTML's `lang`."""
        return self.language.replace("_", "-")


_active = Catalog()


def activate(catalog: Catalog) -> None:
    """Make `catalog` the language of this process."""
    global _active
    _active = catalog
    _format_date.cache_clear()


def get_active() -> Catalog:
    """Return the catalog of this process."""
    return _active


def list_languages() -> list[str]:
    """Return the languages a desk can use, sorted: English and every one with a catalog."""
    return sorted(
        {ENGLISH, *(each.parts[-3] for each in LOCALES_FOLDER.glob(f"*/{CATALOGUE_PATH}"))}
    )


def catalog_path(language: str) -> Path:
    """Return the path of the .po file of `language`."""
    return LOCALES_FOLDER / language / CATALOGUE_PATH


def gettext(text: str, /, **values: object) -> str:
    """Translate `text` and fill in its placeholders."""
    return find_text(text) % values


def ngettext(one: str, many: str, number: int, /, **values: object) -> str:
    """Translate the singular `one` or the plural `many`, and fill in its placeholders."""
    return find_plural(one, many, number) % {"num": number, **values}


def N_(text: str) -> str:  # noqa: N802 - the name that message extractors look for
    """Mark `text` for extraction and return it unchanged; `gettext` translates it where shown."""
    return text


def find_text(text: str) -> str:
    """Translate `text` without filling in its placeholders."""
    forms = _active.translations.get(text)
    return forms[0] if forms else text


def find_plural(one: str, many: str, number: int) -> str:
    """Translate the singular or the plural without filling in its placeholders."""
    forms = _active.translations.get(one)
    if not forms:
        return one if number == 1 else many
    return forms[min(_active.plural_form(number), len(forms) - 1)]


def format_date(day: date) -> str:
    """Format a date as `27 Nov 2026`, in the language of this desk."""
    return _format_date(day.year, day.month, day.day)


@lru_cache(400)  # days; most rows of a list share a few
def _format_date(year: int, month: int, day: int) -> str:
    name = _active.short_months[month - 1]
    return gettext("%(day)s %(month)s %(year)s", day=day, month=name, year=year)


def format_number(number: int) -> str:
    """Format a number as `20,000`, with the separator of this desk's language."""
    return f"{number:,}".replace(",", _active.thousands_separator)
