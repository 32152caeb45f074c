"""Load the catalog of a language from its .po file, and its date and number formats from Babel.

Lookups stay in the `Catalog`'s dict: Babel's `Translations` takes twice as long for a text that
is there, and over three times as long for one that is missing (measured 27 Nov 2026). It is used
for the plural rule alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog as MessageCatalog
from babel.messages.catalog import Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import ENGLISH, Catalog, catalog_path

FRONTEND_FOLDER = "frontend/"  # source paths of the texts that the front end shows
PLURAL_CACHE_SIZE = 1024  # numbers; the rule takes 2 µs, most numbers on a page are small


def read_catalog(language: str) -> Catalog:
    """Load the catalog of one of `list_languages()`; that of English is empty.

    Raises Invalid if a translation has errors.
    """
    if language == ENGLISH:
        return Catalog()
    catalog = parse_catalog(catalog_path(language), language)
    try:
        locale = Locale.parse(language)
    except UnknownLocaleError:  # months and days stay in English
        return catalog
    months, days = locale.months["format"], locale.days["format"]["wide"]
    return replace(
        catalog,
        months=[months["wide"][month] for month in range(1, 13)],
        short_months=[months["abbreviated"][month] for month in range(1, 13)],
        weekdays=[days[weekday] for weekday in range(7)],
        thousands_separator=locale.number_symbols["latn"]["group"],
    )


def parse_catalog(path: Path, language: str) -> Catalog:
    """Parse a .po file; the names of months and days stay English.

    Skips fuzzy and incomplete translations. Raises Invalid if a translation has errors, so that
    they stop the start instead of breaking a page later.
    """
    with path.open("rb") as file:
        parsed = read_po(file, language, abort_invalid=True)
    translated = [
        message
        for message in parsed
        if message.id and all(get_msgstrs(message)) and not message.fuzzy
    ]
    if errors := [error for message in translated for error in find_translation_errors(message)]:
        raise Invalid("\n".join(f"{path}: {error}" for error in errors))
    return Catalog(
        language,
        {get_msgids(message)[0]: get_msgstrs(message) for message in translated},
        _create_plural_rule(parsed),
        frozenset(get_msgids(message)[0] for message in translated if is_used_in_frontend(message)),
    )


def get_msgids(message: Message) -> tuple[str, ...]:
    """Return the English text: one form, or singular and plural. The first is the lookup key."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def get_msgstrs(message: Message) -> tuple[str, ...]:
    """Return the forms of the translation; empty if there is none."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def find_translation_errors(message: Message) -> list[str]:
    """Return what is wrong with a translation, as sentences."""
    ids, errors = get_msgids(message), list[str]()
    expected = set().union(*map(_find_placeholders, ids))
    for form in get_msgstrs(message):
        placeholders = _find_placeholders(form)
        missing = expected - placeholders - {"num"}  # “one file” need not contain the number
        has_bare_percent = "%" in _PLACEHOLDER.sub("", form).replace("%%", "")
        if missing or placeholders - expected or has_bare_percent:
            errors.append(f"{form!r} has other placeholders than {ids[0]!r}: {sorted(expected)}")
        if not any(_find_markup(form) == _find_markup(id_) for id_ in ids):
            errors.append(f"{form!r} has other markup than {ids[0]!r}: < > & and straight quotes")
        elif not _is_well_nested(form):
            errors.append(f"{form!r} closes a tag that it has not opened")
    return errors


def is_used_in_frontend(message: Message) -> bool:
    """Whether the front end shows the text."""
    return any(path.startswith(FRONTEND_FOLDER) for path, _line in message.locations)


def _create_plural_rule(catalog: MessageCatalog) -> Callable[[int], int]:
    """Return the function number → index of the plural form, by the header `Plural-Forms`.

    `Translations` has no public function for it. So it gets one message whose forms are their own
    indexes, and translates that. The locale is any known one: without one Babel leaves the header
    out.
    """
    indexes = MessageCatalog(locale="en")
    indexes.mime_headers = [("Plural-Forms", catalog.plural_forms)]
    msgids = ("one", "many")  # not literals of the calls below, or they would be extracted
    indexes.add(msgids, tuple(str(index) for index in range(catalog.num_plurals)))
    file = BytesIO()
    write_mo(file, indexes)
    file.seek(0)
    translations = Translations(file)

    @lru_cache(PLURAL_CACHE_SIZE)
    def find_form(number: int) -> int:
        return int(translations.ngettext(*msgids, number))

    return find_form


def _find_placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text))


def _find_markup(text: str) -> list[str]:
    """Return tags and characters that HTML would interpret: texts go into pages unescaped."""
    return sorted(_MARKUP.findall(text))


def _is_well_nested(text: str) -> bool:
    """Whether every tag is closed, in order; the texts have no void elements."""
    open_tags = list[str]()
    for slash, name in _TAG.findall(text):
        if not slash:
            open_tags.append(name)
        elif not open_tags or open_tags.pop() != name:
            return False
    return open_tags == []


_TAG = re.compile(r"<(/?)(\w+)[^<>]*>")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_MARKUP = re.compile(r'<[^<>]*>|[<>&"]')
