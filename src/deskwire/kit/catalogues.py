"""Reads a catalogue: the .po file of a language, and what Babel knows of it."""

from __future__ import annotations

from gettext import c2py
from pathlib import Path

from babel import Locale
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from deskwire.kit.speech import CATALOGUE, ENGLISH, LOCALES, Catalogue

BROWSER = "frontend/"  # where texts that scripts show are written


def read_catalogue(language: str) -> Catalogue:
    """The texts of a language that `languages` lists; English has none."""
    if language == ENGLISH:
        return Catalogue()
    locale = Locale.parse(language)
    months, days = locale.months["format"], locale.days["format"]["wide"]
    catalogue = parse_catalogue(LOCALES / language / CATALOGUE, language)
    return Catalogue(
        language,
        catalogue.texts,
        catalogue.form_of,
        catalogue.in_browsers,
        [months["wide"][each] for each in range(1, 13)],
        [months["abbreviated"][each] for each in range(1, 13)],
        [days[each] for each in range(7)],
        locale.number_symbols["latn"]["group"],
    )


def parse_catalogue(path: Path, language: str) -> Catalogue:
    """What a .po file holds, the names of months and days apart."""
    with path.open("rb") as file:
        read = read_po(file, language, abort_invalid=True)
    said = [each for each in read if each.id and each.string and not each.fuzzy]
    return Catalogue(
        language,
        {key_of(each): forms_of(each) for each in said},
        c2py(read.plural_expr),
        frozenset(key_of(each) for each in said if is_in_browsers(each)),
    )


def key_of(message: Message) -> str:
    """What a text is looked up by: of two forms the one for 1."""
    return message.id if isinstance(message.id, str) else message.id[0]


def forms_of(message: Message) -> tuple[str, ...]:
    """The translated text, in each of its forms."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def is_in_browsers(message: Message) -> bool:
    """Whether a script shows the text."""
    return any(path.startswith(BROWSER) for path, _line in message.locations)
