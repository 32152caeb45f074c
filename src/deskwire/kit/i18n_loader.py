"""Reads a catalogue: the .po file of a language, and what Babel knows of it."""

from __future__ import annotations

import re
from dataclasses import replace
from gettext import c2py
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from deskwire.kit.errors import Invalid
from deskwire.kit.i18n import ENGLISH, Catalogue, catalogue_path

FRONTEND_FOLDER = "frontend/"  # where texts that scripts show are written


def read_catalogue(language: str) -> Catalogue:
    """The texts of a language that `languages` lists; English has none."""
    if language == ENGLISH:
        return Catalogue()
    catalogue = parse_catalogue(catalogue_path(language), language)
    try:
        locale = Locale.parse(language)
    except UnknownLocaleError:  # its months and days are in English
        return catalogue
    months, days = locale.months["format"], locale.days["format"]["wide"]
    return replace(
        catalogue,
        months=[months["wide"][each] for each in range(1, 13)],
        short_months=[months["abbreviated"][each] for each in range(1, 13)],
        weekdays=[days[each] for each in range(7)],
        thousands_separator=locale.number_symbols["latn"]["group"],
    )


def parse_catalogue(path: Path, language: str) -> Catalogue:
    """What a .po file holds, the names of months and days apart. Invalid where a translation has
    faults: found here, it cannot break a page."""
    with path.open("rb") as file:
        read = read_po(file, language, abort_invalid=True)
    told = [each for each in read if each.id and all(get_msgstrs(each)) and not each.fuzzy]
    if faults := [fault for each in told for fault in find_translation_errors(each)]:
        raise Invalid("\n".join(f"{path}: {fault}" for fault in faults))
    return Catalogue(
        language,
        {get_msgids(each)[0]: get_msgstrs(each) for each in told},
        c2py(read.plural_expr),
        frozenset(get_msgids(each)[0] for each in told if is_used_in_frontend(each)),
    )


def get_msgids(message: Message) -> tuple[str, ...]:
    """The English text; where there are two forms, the first is what it is looked up by."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def get_msgstrs(message: Message) -> tuple[str, ...]:
    """The translated text, in each of its forms."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def find_translation_errors(message: Message) -> list[str]:
    """What is wrong with a translation, as sentences."""
    ids, found = get_msgids(message), list[str]()
    places = set().union(*map(_find_placeholders, ids))
    for form in get_msgstrs(message):
        lacking = (
            places - _find_placeholders(form) - {"num"}
        )  # a form for one number need not say it
        if (
            lacking
            or _find_placeholders(form) - places
            or _PLACEHOLDER.sub("", form).replace("%%", "").count("%")
        ):
            found.append(f"{form!r} has other places than {ids[0]!r}: {sorted(places)}")
        if not any(_find_markup(form) == _find_markup(id_) for id_ in ids):
            found.append(f"{form!r} has other marks than {ids[0]!r}: < > & and straight quotes")
        elif not _is_well_nested(form):
            found.append(f"{form!r} ends a tag that it has not begun")
    return found


def is_used_in_frontend(message: Message) -> bool:
    """Whether a script shows the text."""
    return any(path.startswith(FRONTEND_FOLDER) for path, _line in message.locations)


def _find_placeholders(text: str) -> set[str]:
    return set(_PLACEHOLDER.findall(text))


def _find_markup(text: str) -> list[str]:
    """Tags, and what would begin one or end an attribute: texts are put into pages as they are."""
    return sorted(_MARKUP.findall(text))


def _is_well_nested(text: str) -> bool:
    """Whether each tag ends within the one that began last; ours all have an end."""
    begun = list[str]()
    for end, name in _TAG.findall(text):
        if not end:
            begun.append(name)
        elif not begun or begun.pop() != name:
            return False
    return begun == []


_TAG = re.compile(r"<(/?)(\w+)[^<>]*>")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_MARKUP = re.compile(r'<[^<>]*>|[<>&"]')
